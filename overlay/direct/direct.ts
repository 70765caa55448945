/**
 * `direct`: a plain route to the other node's underlay address, for nodes on the same link.
 *
 * Cost: 1 route a block, no encapsulation, full MTU. The kernel resolves the next hop by ARP or ND like any
 * other neighbour. An IPv4 block may go by an IPv6 next hop (RTA_VIA, as in RFC 8950); an IPv6 block needs
 * an IPv6 underlay address of the other node.
 */
import { type Cidr, cidrFamily } from "../../addr/index.ts";
import { type Backend, type BackendContext, blockRoute, type Carried, firstOf, unable } from "../backend.ts";
import type { RemoteNode } from "../desired.ts";

function carry(remote: RemoteNode, prefix: Cidr, context: BackendContext): Carried {
  const candidates = cidrFamily(prefix) === 4 ? ([4, 6] as const) : ([6] as const);
  const hops = candidates.map((family) => firstOf(family, remote.underlay)).filter((ip) => ip !== undefined);
  if (hops.length === 0) return unable(`it has no IPv${candidates.join(" or IPv")} underlay address`);
  for (const via of hops) {
    const path = context.paths.get(via);
    const link = path?.via === undefined ? context.linkNames.get(path?.linkIndex ?? 0) : undefined;
    if (link === undefined || link === "lo") continue;
    return { kind: "rows", rows: [blockRoute(prefix, { via, link })] };
  }
  return unable(`${hops.join(" and ")} is not on a link of this node`);
}

export const direct: Backend = { name: "direct", carry };
