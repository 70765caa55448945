/**
 * `vxlan`: blocks by way of one VXLAN device (RFC 7348) with static rows only, no learning, no flooding.
 *
 * Cost: per remote node 1 neighbour and 1 FDB entry a family, and 1 route a block, whatever its containers.
 * Order, which flannel found out the hard way: neighbour, FDB, then route, or the first packets meet a next
 * hop that nobody answers for. IPv4 blocks go by the other's underlay IPv4 address as an onlink next hop;
 * IPv6 blocks, and IPv4 blocks of nodes without IPv4 underlay, by the link-local address of its VTEP's MAC.
 */
import { type Cidr, cidrFamily, type Ip, linkLocalFromMac } from "../../addr/index.ts";
import { type Backend, type BackendContext, blockRoute, type Carried, firstOf, unable } from "../backend.ts";
import type { RemoteNode } from "../desired.ts";
import { outerFamily } from "../mtu.ts";
import { vxlanDevice } from "../row/index.ts";

function carry(remote: RemoteNode, prefix: Cidr, { self }: BackendContext): Carried {
  const outer = outerFamily(self.underlay);
  const destination = outer && firstOf(outer, remote.underlay);
  if (!destination) return unable(`it has no IPv${outer ?? "4 or IPv6"} underlay address, as this node has`);
  if (remote.vxlanPort !== self.vxlanPort) {
    return unable(`its VXLAN port is ${remote.vxlanPort} and this node's ${self.vxlanPort}`);
  }
  const link = vxlanDevice;
  const { vtepMac: mac } = remote;
  const via = nextHop(remote, prefix);
  const family = cidrFamily(prefix);
  const source = firstOf(family, self.fabric ?? []);
  return {
    kind: "rows",
    rows: [
      { kind: "neighbour", neighbour: { link, ip: via, mac, permanent: true } },
      { kind: "fdb", entry: { link, mac, destination, permanent: true } },
      blockRoute(prefix, { via, link, onlink: family === 4, source }),
    ],
  };
}

function nextHop(remote: RemoteNode, prefix: Cidr): Ip {
  const underlay4 = cidrFamily(prefix) === 4 ? firstOf(4, remote.underlay) : undefined;
  return underlay4 ?? linkLocalFromMac(remote.vtepMac);
}

export const vxlan: Backend = { name: "vxlan", carry };
