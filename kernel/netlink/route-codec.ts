/**
 * Routes to and from netlink (RTM_NEWROUTE, `struct rtmsg`; rtnetlink(7)). An IPv6 next hop of an IPv4 route
 * travels as RTA_VIA. A multipath route is read as its first path: we make none, and one that stands in our
 * place differs from what we want in its next hop.
 */
import {
  cidrFamily,
  cidrFirst,
  cidrFromIp,
  cidrPrefix,
  type Family,
  familyOf,
  type Ip,
  ipFromBytes,
  ipToBytes,
} from "../../addr/index.ts";
import type { Route, RoutePath, RouteQuery, RouteType } from "../kernel.ts";
import type { RouteSpec } from "../operation.ts";
import { defaultMetric, defaultScope, normalRoute, viaOtherFamily } from "../rows.ts";
import { familyNumber } from "./address-codec.ts";
import { addressFamily, onlinkFlag, rta, scopeNowhere } from "./constants.ts";
import { type Attributes, badMessage, readAttributes, readU32 } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";

const headerLength = 12;
/** In every namespace. */
const loopbackIndex = 1;
const nextHopHeaderLength = 8;
const typeNumbers: Readonly<Record<RouteType, number>> = {
  unicast: 1,
  local: 2,
  blackhole: 6,
  unreachable: 7,
};
const typesByNumber = new Map(Object.entries(typeNumbers).map(([type, n]) => [n, type as RouteType]));

/** A row without its link; `linkIndex` is the one `link` stands for. */
export type WritableRoute = Omit<RouteSpec, "link"> & { readonly linkIndex?: number };

/** @param purpose a delete leaves the scope open, as the row may have been made with another */
export function writeRoute(writer: MessageWriter, route: WritableRoute, purpose: "put" | "delete"): void {
  const family = cidrFamily(route.to);
  const scope = purpose === "delete" ? scopeNowhere : (route.scope ?? defaultScope(route));
  writeHeader(writer, family, cidrPrefix(route.to), {
    table: route.table,
    protocol: route.protocol,
    scope,
    type: typeNumbers[route.type],
    flags: route.onlink && purpose === "put" ? onlinkFlag : 0,
  });
  if (cidrPrefix(route.to) > 0) writer.attribute(rta.destination, ipToBytes(cidrFirst(route.to)));
  writer.attributeU32(rta.table, route.table);
  writer.attributeU32(rta.priority, route.metric ?? defaultMetric(route.to));
  const outLink = route.linkIndex ?? (purpose === "delete" && isReject6(route) ? loopbackIndex : undefined);
  if (outLink !== undefined) writer.attributeU32(rta.outLink, outLink);
  if (route.via !== undefined) writeNextHop(writer, route, route.via);
  if (purpose === "delete") return;
  if (route.source !== undefined) writer.attribute(rta.preferredSource, ipToBytes(route.source));
  const { mtu } = route;
  if (mtu !== undefined) writer.nest(rta.metrics, () => writer.attributeU32(rta.metricMtu, mtu));
}

/** An IPv6 delete does not compare types; what rejects is told by its link, which is loopback. */
function isReject6({ to, type }: WritableRoute): boolean {
  return cidrFamily(to) === 6 && type !== "unicast" && type !== "local";
}

function writeNextHop(writer: MessageWriter, route: WritableRoute, via: Ip): void {
  if (!viaOtherFamily({ to: route.to, via })) {
    writer.attribute(rta.gateway, ipToBytes(via));
    return;
  }
  const value = Buffer.alloc(2 + ipToBytes(via).length);
  value.writeUInt16LE(familyNumber(familyOf(via)));
  value.set(ipToBytes(via), 2);
  writer.attribute(rta.via, value);
}

interface RouteHeader {
  readonly table?: number;
  readonly protocol?: number;
  readonly scope?: number;
  readonly type?: number;
  readonly flags?: number;
}

function writeHeader(writer: MessageWriter, family: Family, prefix: number, header: RouteHeader): void {
  const { table = 0, protocol = 0, scope = 0, type = 0, flags = 0 } = header;
  const shortTable = table < 256 ? table : 0;
  writer.u8(familyNumber(family)).u8(prefix).u8(0).u8(0);
  writer.u8(shortTable).u8(protocol).u8(scope).u8(type).u32(flags);
}

export function writeRouteQuery(writer: MessageWriter, family: Family, query: RouteQuery): void {
  writeHeader(writer, family, 0, query.protocol === undefined ? {} : { protocol: query.protocol });
  if (query.table !== undefined) writer.attributeU32(rta.table, query.table);
}

export function writeRouteLookup(writer: MessageWriter, destination: Ip): void {
  const bytes = ipToBytes(destination);
  writeHeader(writer, familyOf(destination), bytes.length * 8, {});
  writer.attribute(rta.destination, bytes);
}

/** Undefined for a type outside of RouteType. @throws KERNEL_BAD_MESSAGE */
export function readRoute(body: Buffer): Route | undefined {
  const attributes = readAttributes(body, headerLength);
  const type = typesByNumber.get(body.readUInt8(7));
  if (type === undefined) return undefined;
  const hop = readHop(attributes);
  const linkIndex = type === "unicast" || type === "local" ? hop.linkIndex : undefined;
  const source = attributes.get(rta.preferredSource);
  const metric = readU32(attributes, rta.priority) ?? 0;
  const metrics = attributes.get(rta.metrics);
  const mtu = metrics && readU32(readAttributes(metrics, 0), rta.metricMtu);
  return normalRoute({
    to: readDestination(body, attributes),
    type,
    ...(linkIndex === undefined ? {} : { linkIndex }),
    ...(hop.via === undefined ? {} : { via: hop.via }),
    onlink: ((body.readUInt32LE(8) | hop.flags) & onlinkFlag) !== 0,
    ...(source ? { source: ipFromBytes(source) } : {}),
    protocol: body.readUInt8(5),
    table: readU32(attributes, rta.table) ?? body.readUInt8(4),
    metric,
    ...(mtu ? { mtu } : {}),
    scope: body.readUInt8(6),
  });
}

function readDestination(body: Buffer, attributes: Attributes): Route["to"] {
  const isIpv4 = body.readUInt8(0) === addressFamily.ipv4;
  const bytes = attributes.get(rta.destination) ?? Buffer.alloc(isIpv4 ? 4 : 16);
  return cidrFromIp(ipFromBytes(bytes), body.readUInt8(1));
}

interface Hop {
  readonly linkIndex?: number | undefined;
  readonly via?: Ip | undefined;
  readonly flags: number;
}

function readHop(attributes: Attributes): Hop {
  const paths = attributes.get(rta.multipath);
  if (paths === undefined) {
    return { linkIndex: readU32(attributes, rta.outLink), via: readVia(attributes), flags: 0 };
  }
  if (paths.length < nextHopHeaderLength) throw badMessage("a next hop", "it is too short");
  const length = paths.readUInt16LE(0);
  const first = readAttributes(paths.subarray(0, length), nextHopHeaderLength);
  return { linkIndex: paths.readUInt32LE(4), via: readVia(first), flags: paths.readUInt8(2) };
}

function readVia(attributes: Attributes): Ip | undefined {
  const gateway = attributes.get(rta.gateway) ?? attributes.get(rta.via)?.subarray(2);
  return gateway && ipFromBytes(gateway);
}

/** @throws KERNEL_BAD_MESSAGE */
export function readRoutePath(body: Buffer): RoutePath {
  const attributes = readAttributes(body, headerLength);
  const { linkIndex, via } = readHop(attributes);
  if (linkIndex === undefined) throw badMessage("a route", "it names no link");
  const source = attributes.get(rta.preferredSource);
  return { linkIndex, ...(via ? { via } : {}), ...(source ? { source: ipFromBytes(source) } : {}) };
}
