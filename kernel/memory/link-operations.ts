/**
 * Links of the twin, with what Linux does by itself when one changes: a veth goes with its peer; a link that
 * goes takes its addresses, routes, neighbours and forwarding rows along; a link that goes down loses its
 * routes and neighbours, and its IPv6 addresses (RFC 4862 state is rebuilt on up).
 */
import { createHash } from "node:crypto";
import { familyOf, type Mac, privateMac } from "../../addr/index.ts";
import type { Address, NetnsPath } from "../kernel.ts";
import type { KernelOperation, LinkChange, LinkSpec, VethEnd } from "../operation.ts";
import { kernelProtocol } from "../rows.ts";
import { addKernelRoutes, dropRoutesFrom } from "./address-operations.ts";
import { dropRows, type MemoryLink, type MemoryNamespace } from "./namespace.ts";
import { findLink, refuse } from "./refuse.ts";

type FindNamespace = (path: NetnsPath) => MemoryNamespace;
const nameMax = 15;
const mtuMin = 68;

export function createLink(ns: MemoryNamespace, spec: LinkSpec, find: FindNamespace): void {
  const peerNs = spec.kind === "veth" && spec.peer.netns !== undefined ? find(spec.peer.netns) : ns;
  const op: KernelOperation = { op: "link.create", link: spec };
  checkName(ns, spec.name, op);
  if (spec.kind === "veth") {
    checkName(peerNs, spec.peer.name, op);
    if (peerNs === ns && spec.name === spec.peer.name) throw refuse(op, "EEXIST");
  }
  if (spec.kind === "vxlan") checkVxlan(ns, spec, op);
  switch (spec.kind) {
    case "veth": {
      const link = add(ns, spec, 1500, { kind: "veth" });
      const peer = add(peerNs, spec.peer, 1500, { kind: "veth" });
      link.peer = peer;
      peer.peer = link;
      if (spec.peer.up) setUp(peer, true);
      if (spec.up) setUp(link, true);
      break;
    }
    case "bridge":
      setUp(add(ns, spec, 1500, { kind: "bridge" }), spec.up ?? false);
      break;
    case "vxlan": {
      const { kind, vni, port, local, learning, underlayIndex } = spec;
      const underlay = underlayIndex === undefined ? {} : { underlayIndex };
      setUp(add(ns, spec, 1450, { kind, vni, port, local, learning, ...underlay }), spec.up ?? false);
      break;
    }
    default:
      spec satisfies never;
  }
}

function checkVxlan(
  ns: MemoryNamespace,
  spec: LinkSpec & { readonly kind: "vxlan" },
  op: KernelOperation,
): void {
  if (spec.underlayIndex !== undefined && !ns.links.has(spec.underlayIndex))
    throw refuse(op, "ENODEV", "Invalid local interface for VXLAN device");
  for (const { detail } of ns.links.values()) {
    if (detail.kind === "vxlan" && detail.vni === spec.vni && detail.port === spec.port)
      throw refuse(op, "EEXIST", "A VXLAN device with the specified VNI already exists");
  }
}

function checkName(ns: MemoryNamespace, name: string, op: KernelOperation): void {
  if (!/^[^/\s:]+$/.test(name) || name === "." || name === "..") throw refuse(op, "EINVAL");
  if (Buffer.byteLength(name) > nameMax) throw refuse(op, "ERANGE", "Attribute failed policy validation");
  if (ns.linkNamed(name)) throw refuse(op, "EEXIST");
}

function add(
  ns: MemoryNamespace,
  end: VethEnd & { readonly mtu?: number },
  defaultMtu: number,
  detail: MemoryLink["detail"],
): MemoryLink {
  const link = ns.addLink({
    name: end.name,
    mac: end.mac ?? inventedMac(ns, end.name),
    mtu: end.mtu ?? defaultMtu,
    up: false,
    ...(end.alias ? { alias: end.alias } : {}),
    detail,
  });
  ns.changed("link");
  return link;
}

/** Linux takes random bytes; the twin repeats itself. */
function inventedMac(ns: MemoryNamespace, name: string): Mac {
  return privateMac(createHash("sha256").update(`${ns.id} ${name}`).digest());
}

export function changeLink(ns: MemoryNamespace, op: LinkChangeOperation, find: FindNamespace): void {
  const link = findLink(ns, op.link, op);
  const { name, mac, mtu, up, masterIndex, alias, netns } = op.change;
  if (masterIndex !== undefined && masterIndex !== 0) findLink(ns, masterIndex, op);
  if (mtu !== undefined && mtu < mtuMin) throw refuse(op, "EINVAL", "mtu less than device minimum");
  if (netns !== undefined) moveLink(link, find(netns), name ?? link.name, op);
  if (name !== undefined && name !== link.name) {
    checkName(link.namespace, name, op);
    link.name = name;
  }
  if (mac !== undefined) link.mac = mac;
  if (mtu !== undefined) link.mtu = mtu;
  if (masterIndex !== undefined) enslave(link, masterIndex, op);
  if (alias === "") delete link.alias;
  else if (alias !== undefined) link.alias = alias;
  if (up !== undefined) setUp(link, up);
  link.namespace.changed("link");
}

type LinkChangeOperation = KernelOperation & { readonly op: "link.change" };

function enslave(link: MemoryLink, master: LinkChange["masterIndex"] & {}, op: KernelOperation): void {
  if (master === 0) {
    delete link.masterIndex;
    return;
  }
  const bridge = findLink(link.namespace, master, op);
  if (bridge.detail.kind !== "bridge") throw refuse(op, "EOPNOTSUPP");
  link.masterIndex = bridge.index;
}

function moveLink(link: MemoryLink, target: MemoryNamespace, name: string, op: KernelOperation): void {
  if (target === link.namespace) return;
  if (target.linkNamed(name)) throw refuse(op, "EEXIST");
  setUp(link, false);
  forgetRows(link);
  link.namespace.links.delete(link.index);
  link.namespace.changed("link");
  delete link.masterIndex;
  const { namespace: _old, index, ...fields } = link;
  const moved = target.addLink(fields, index);
  target.links.set(moved.index, Object.assign(link, { namespace: target, index: moved.index }));
}

/** Takes the link and the other end of its pair away. */
export function deleteLink(link: MemoryLink): void {
  for (const end of link.peer ? [link, link.peer] : [link]) {
    const { namespace: ns, index } = end;
    ns.links.delete(index);
    forgetRows(end);
    for (const other of [...ns.links.values()]) {
      if (other.masterIndex === index) delete other.masterIndex;
      if (other.detail.kind === "vxlan" && other.detail.underlayIndex === index) deleteLink(other);
    }
    ns.changed("link");
  }
}

function forgetRows(link: MemoryLink): void {
  const { namespace: ns, index } = link;
  const isOurs = (row: { readonly linkIndex?: number }) => row.linkIndex === index;
  for (const address of [...ns.addresses.values()].filter(isOurs)) dropAddress(ns, address);
  if (dropRows(ns.routes, isOurs)) ns.changed("route");
  if (dropRows(ns.neighbours, isOurs)) ns.changed("neighbour");
  if (dropRows(ns.fdb, isOurs)) ns.changed("neighbour");
}

export function setUp(link: MemoryLink, up: boolean): void {
  if (link.up === up) return;
  const { namespace: ns, index } = link;
  link.up = up;
  ns.changed("link");
  const addresses = [...ns.addresses.values()].filter((address) => address.linkIndex === index);
  if (up) {
    for (const address of addresses) addKernelRoutes(ns, address);
    return;
  }
  for (const address of addresses) if (familyOf(address.ip) === 6) dropAddress(ns, address);
  const isLocal = (table: number, protocol: number) => table === 255 && protocol === kernelProtocol;
  const isLost = (linkIndex: number | undefined, table: number, protocol: number) =>
    linkIndex === index && !isLocal(table, protocol);
  if (dropRows(ns.routes, (row) => isLost(row.linkIndex, row.table, row.protocol))) ns.changed("route");
  if (dropRows(ns.neighbours, (row) => row.linkIndex === index && !row.proxy)) ns.changed("neighbour");
}

function dropAddress(ns: MemoryNamespace, address: Address): void {
  ns.addresses.delete(`${address.linkIndex} ${address.ip}/${address.prefix}`);
  dropRoutesFrom(ns, address);
  ns.changed("address");
}
