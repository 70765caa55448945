/** Join tokens and revocations as the API shows them: what servers of the fabric share, without the secrets' hashes. */
import type { JoinTokenInfo, TrustBackend } from "../../api/index.ts";
import type { TokenRecord, TrustBook } from "../../control/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { RegistryReads } from "../../registry/index.ts";

export function trustBackend(
  book: TrustBook,
  registry: Pick<RegistryReads, "node">,
  backup: TrustBackend["backup"],
): TrustBackend {
  return {
    backup,
    async createToken(spec) {
      const { text, record } = await book.createToken(spec);
      return { ...infoOf(record), token: text };
    },
    tokens: async () => (await book.tokens()).map(infoOf),
    async removeToken(id) {
      if (await book.removeToken(id)) return;
      throw new FabricError(
        "CONTROL_TOKEN_NOT_FOUND",
        `remove join token "${id}": there is none of that id; see \`heddle token ls\``,
      );
    },
    async revokeNode(node) {
      if (!registry.node(node)) {
        throw new FabricError(
          "IPAM_NODE_NOT_FOUND",
          `revoke node "${node}": the fabric has none of that name; see \`heddle node ls\``,
        );
      }
      await book.revoke(node);
    },
  };
}

function infoOf({ hash: _, ...info }: TokenRecord): JoinTokenInfo {
  return info;
}
