/** Who may be a node, and by whom that is signed, as the API shows it: what servers of the fabric share, without secrets. */
import { X509Certificate } from "node:crypto";
import type { AuthorityBackend, AuthorityStatus, JoinTokenInfo, TrustBackend } from "../../api/index.ts";
import {
  believedOf,
  fingerprintOf,
  stepOf,
  type TokenRecord,
  type TrustBook,
  trustLimits,
  waitedFor,
} from "../../control/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { RegistryReads } from "../../registry/index.ts";

export function authorityBackend(book: TrustBook): AuthorityBackend {
  return {
    async authorities() {
      const state = await book.authorities.state();
      const authorities = believedOf(state).map((certificate, index) => ({
        certificate,
        signs: index === 0,
      }));
      return { fabric: state.fabric, authorities };
    },
  };
}

export interface TrustBackendOptions {
  readonly book: TrustBook;
  readonly registry: Pick<RegistryReads, "node" | "nodes">;
  readonly nowMs: () => number;
  /** The address plan is being gathered: the store was lost, or is an older copy. */
  readonly isGathering: () => Promise<boolean>;
  readonly backup: TrustBackend["backup"];
}

export function trustBackend(options: TrustBackendOptions): TrustBackend {
  const { book, registry, nowMs, isGathering, backup } = options;
  return {
    backup,
    async createToken(spec) {
      const { text, record } = await book.createToken(spec);
      return { ...infoOf(record), token: text };
    },
    tokens: async () => (await book.tokens.list()).map(infoOf),
    async removeToken(id) {
      if (await book.tokens.remove(id)) return;
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
    authorityStatus: () => authorityStatus(book, nowMs()),
    async rotateAuthority() {
      await book.authorities.rotate();
    },
    async resetAuthority() {
      const nodes = registry.nodes().filter(({ fabric }) => fabric !== undefined).length;
      // Nobody knows yet which nodes there are, and their keys are newer than those that a copy knows.
      const whom = (await isGathering())
        ? { readmits: true, uses: trustLimits.tokenUsesMax }
        : { uses: Math.max(1, nodes) };
      await book.authorities.reset();
      const { text, record } = await book.createToken({ ...whom, ttlMs: resetTokenMs });
      return { ...infoOf(record), token: text };
    },
  };
}

/** Time to go round all nodes. */
const resetTokenMs = 24 * 3600_000;

async function authorityStatus(book: TrustBook, nowMs: number): Promise<AuthorityStatus> {
  const state = await book.authorities.state();
  const issued = await book.authorities.issued();
  const step = stepOf(state);
  const roles = ["signs", state.next ? "next" : "former"] as const;
  return {
    fabric: state.fabric,
    step,
    authorities: believedOf(state).map((certificate, index) => ({
      fingerprint: fingerprintOf(certificate),
      role: roles[index === 0 ? 0 : 1],
      untilMs: Date.parse(new X509Certificate(certificate).validTo),
    })),
    nodes: issued.filter(({ untilMs }) => untilMs > nowMs).length,
    waitsFor: waitedFor(state, issued, nowMs).length,
    ...(state.stepSinceMs !== undefined && { stepUntilMs: state.stepSinceMs + trustLimits.rotationStepMs }),
  };
}

function infoOf({ hash: _, ...info }: TokenRecord): JoinTokenInfo {
  return info;
}
