/** The address plan and the nodes, as the API's own routes show and change them. Runs on servers. */
import { type FabricBackend, nodeOf } from "../../api/index.ts";
import type { TrustBook } from "../../control/index.ts";
import type { PoolAuthority } from "../../ipam/index.ts";
import type { RegistryReads, RegistryWrites } from "../../registry/index.ts";

export function fabricBackend(
  pools: PoolAuthority,
  registry: RegistryReads,
  writer: RegistryWrites,
  book: Pick<TrustBook, "forget">,
): FabricBackend {
  return {
    networks: () => pools.networks(),
    createNetwork: (spec) => pools.createNetwork(spec),
    deleteNetwork: (name, options) => pools.deleteNetwork(name, options),
    async poolUse(network) {
      if (network !== undefined) return pools.poolUse(network);
      const names = (await pools.networks()).map(({ name }) => name);
      return (await Promise.all(names.map((name) => pools.poolUse(name)))).flat();
    },
    nodes: async () => registry.nodes().map((node) => nodeOf(node, registry.isLive(node.name))),
    async forgetNode(name, options) {
      if (!(await pools.forgetNode(name, options))) return;
      await writer.removeNode(name);
      await book.forget(name);
    },
  };
}
