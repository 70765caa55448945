/** Neighbours and forwarding rows of the twin. */
import type { KernelOperation } from "../operation.ts";
import { fdbKey, neighbourKey } from "../rows.ts";
import type { MemoryLink, MemoryNamespace } from "./namespace.ts";
import { findLink, refuse, seekLink } from "./refuse.ts";

type NeighbourOperation = Extract<KernelOperation, { readonly op: "neighbour.put" | "neighbour.delete" }>;
type FdbOperation = Extract<KernelOperation, { readonly op: "fdb.put" | "fdb.delete" }>;

export function putNeighbour(ns: MemoryNamespace, op: NeighbourOperation): void {
  const { link: ref, mac, proxy, ...rest } = op.neighbour;
  const link = findLink(ns, ref, op);
  const row = proxy
    ? { linkIndex: link.index, ip: rest.ip, permanent: false, proxy }
    : { linkIndex: link.index, ...rest, ...(mac ? { mac } : {}) };
  ns.neighbours.set(neighbourKey(row), row);
  ns.changed("neighbour");
}

export function deleteNeighbour(ns: MemoryNamespace, op: NeighbourOperation): void {
  const { link: ref, ...rest } = op.neighbour;
  const link = seekLink(ns, ref);
  if (link && ns.neighbours.delete(neighbourKey({ linkIndex: link.index, ...rest }))) ns.changed("neighbour");
}

export function putFdb(ns: MemoryNamespace, op: FdbOperation): void {
  const { link: ref, ...rest } = op.entry;
  const link = findLink(ns, ref, op);
  if (!isForwarder(link, op)) throw refuse(op, "EOPNOTSUPP");
  const row = { linkIndex: link.index, ...rest };
  ns.fdb.set(fdbKey(row), row);
  ns.changed("neighbour");
}

/** A row with a destination is for a VXLAN device, one without is for a port of a bridge. */
function isForwarder(link: MemoryLink, op: FdbOperation): boolean {
  if (op.entry.destination !== undefined) return link.detail.kind === "vxlan";
  return link.masterIndex !== undefined;
}

export function deleteFdb(ns: MemoryNamespace, op: FdbOperation): void {
  const { link: ref, ...rest } = op.entry;
  const link = seekLink(ns, ref);
  if (link && ns.fdb.delete(fdbKey({ linkIndex: link.index, ...rest }))) ns.changed("neighbour");
}
