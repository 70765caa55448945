/**
 * The agent's picture of the fabric, read from the `fabric` view: networks, who holds which prefix, and the
 * nodes that can be reached. Parsed once a change; a record that cannot be read is left out and counted, so
 * that one damaged record never stops a node's routes.
 */
import { type Cidr, hostCidr } from "../../addr/index.ts";
import type { BlockClaim, NetworkRecord, StaticClaim } from "../../ipam/index.ts";
import type { FabricSelf, NodeDesired, RemoteNode, RemotePrefix } from "../../overlay/index.ts";
import { type NodeRecord, nodesPrefix } from "../../registry/index.ts";

export interface FabricView {
  readonly networks: ReadonlyMap<string, NetworkRecord>;
  /** Of all networks. */
  readonly pools: readonly Cidr[];
  /** Node → what it holds. */
  readonly prefixes: ReadonlyMap<string, readonly RemotePrefix[]>;
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  readonly damaged: number;
}

export const emptyFabricView: FabricView = {
  networks: new Map(),
  pools: [],
  prefixes: new Map(),
  nodes: new Map(),
  damaged: 0,
};

/** `items`: store key → record. */
export function readFabricView(items: ReadonlyMap<string, unknown>): FabricView {
  const networks = new Map<string, NetworkRecord>();
  const prefixes = new Map<string, RemotePrefix[]>();
  const nodes = new Map<string, NodeRecord>();
  let damaged = 0;
  const hold = (node: string, network: string, cidr: Cidr) => {
    const held = prefixes.get(node);
    if (held) held.push({ network, cidr });
    else prefixes.set(node, [{ network, cidr }]);
  };
  for (const [key, record] of items) {
    if (typeof record !== "object" || record === null) damaged++;
    else if (key.startsWith("ipam/networks/"))
      networks.set((record as NetworkRecord).name, record as NetworkRecord);
    else if (key.startsWith("ipam/blocks/"))
      hold((record as BlockClaim).node, (record as BlockClaim).network, (record as BlockClaim).cidr);
    else if (key.startsWith("ipam/statics/"))
      hold(
        (record as StaticClaim).node,
        (record as StaticClaim).network,
        hostCidr((record as StaticClaim).ip),
      );
    else if (key.startsWith(nodesPrefix)) nodes.set((record as NodeRecord).name, record as NodeRecord);
  }
  const pools = [...networks.values()].flatMap((network) => network.pools.map(({ cidr }) => cidr));
  return { networks, pools, prefixes, nodes, damaged };
}

/** What this node's kernel should carry; endpoints come from the node itself. */
export function desiredOf(
  view: FabricView,
  self: FabricSelf,
  endpoints: NodeDesired["endpoints"],
): NodeDesired {
  const networks = [...view.networks.values()].map(({ name, pools, backend, masquerade, policy }) => ({
    name,
    pools: pools.map(({ cidr }) => cidr),
    backend,
    masquerade,
    policy,
  }));
  const remotes: RemoteNode[] = [];
  for (const [name, prefixes] of view.prefixes) {
    const fabric = view.nodes.get(name)?.fabric;
    if (name === self.name || !fabric) continue;
    const { underlay, vtepMac, vxlanPort, zone } = fabric;
    remotes.push({ name, underlay, vtepMac, vxlanPort, zone, prefixes });
  }
  return { self, networks, remotes, endpoints };
}
