/**
 * One operation as one netlink request: type, flags, body, and the answers that mean "already so". Pure; what
 * needs more than one request (making a link with an alias, a name to look up) is decided in `apply.ts`.
 */
import type { KernelOperation, LinkRef } from "../operation.ts";
import type { ErrnoName } from "../refusal.ts";
import { isFloodMac } from "../rows.ts";
import { writeAddress } from "./address-codec.ts";
import { flag, messageType } from "./constants.ts";
import { writeLinkHeader } from "./link-codec.ts";
import type { MessageWriter } from "./message-writer.ts";
import { writeFdbEntry, writeNeighbour } from "./neighbour-codec.ts";
import { writeRoute } from "./route-codec.ts";
import { writeRule } from "./rule-codec.ts";

export interface NetlinkRequest {
  readonly type: number;
  readonly flags: number;
  readonly write: (writer: MessageWriter) => void;
  /** Refusals that leave the namespace as the operation wants it. */
  readonly settled: readonly ErrnoName[];
}

export type RowOperation = Exclude<
  KernelOperation,
  { readonly op: "link.create" | "link.change" | "sysctl.put" }
>;

const put = flag.create | flag.replace;

/** @param indexOf the index of a link; throws when there is none of that name */
export function requestOf(operation: RowOperation, indexOf: (ref: LinkRef) => number): NetlinkRequest {
  switch (operation.op) {
    case "link.delete": {
      const index = indexOf(operation.link);
      return remove(messageType.deleteLink, (writer) => writeLinkHeader(writer, index), ["ENODEV"]);
    }
    case "address.put":
    case "address.delete": {
      const row = { linkIndex: indexOf(operation.link), ip: operation.ip, prefix: operation.prefix };
      const write = (writer: MessageWriter) => writeAddress(writer, row, operation.scope);
      return operation.op === "address.put"
        ? { type: messageType.newAddress, flags: put, write, settled: [] }
        : remove(messageType.deleteAddress, write, ["EADDRNOTAVAIL", "ENODEV"]);
    }
    case "route.put":
    case "route.delete": {
      const { link, ...rest } = operation.route;
      const row = link === undefined ? rest : { ...rest, linkIndex: indexOf(link) };
      return operation.op === "route.put"
        ? { type: messageType.newRoute, flags: put, write: (w) => writeRoute(w, row, "put"), settled: [] }
        : remove(messageType.deleteRoute, (w) => writeRoute(w, row, "delete"), ["ESRCH", "ENODEV", "ENOENT"]);
    }
    case "rule.put":
    case "rule.delete": {
      const write = (writer: MessageWriter) => writeRule(writer, operation.rule);
      return operation.op === "rule.put"
        ? { type: messageType.newRule, flags: flag.create | flag.exclusive, write, settled: ["EEXIST"] }
        : remove(messageType.deleteRule, write, ["ENOENT", "ESRCH"]);
    }
    case "neighbour.put":
    case "neighbour.delete": {
      const { link, ...rest } = operation.neighbour;
      const row = { ...rest, linkIndex: indexOf(link) };
      const write = (writer: MessageWriter) => writeNeighbour(writer, row);
      return operation.op === "neighbour.put"
        ? { type: messageType.newNeighbour, flags: put, write, settled: [] }
        : remove(messageType.deleteNeighbour, write, ["ENOENT", "ENODEV"]);
    }
    case "fdb.put":
    case "fdb.delete": {
      const { link, ...rest } = operation.entry;
      const row = { ...rest, linkIndex: indexOf(link) };
      const write = (writer: MessageWriter) => writeFdbEntry(writer, row);
      if (operation.op === "fdb.delete")
        return remove(messageType.deleteNeighbour, write, ["ENOENT", "ENODEV", "EOPNOTSUPP"]);
      const isFlood = isFloodMac(row.mac);
      const flags = isFlood ? flag.create | flag.append : put;
      return { type: messageType.newNeighbour, flags, write, settled: isFlood ? ["EEXIST"] : [] };
    }
    default:
      return operation satisfies never;
  }
}

function remove(
  type: number,
  write: (writer: MessageWriter) => void,
  settled: readonly ErrnoName[],
): NetlinkRequest {
  return { type, flags: 0, write, settled };
}
