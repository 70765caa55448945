/**
 * Identity and normal form of rows. Two rows with one key cannot stand in the kernel at once; a `put`
 * replaces the row of its key. Reads answer normal rows: a field that says what would hold without it is
 * absent, so that a desired row and the observed one are equal when their normal forms are.
 */
import { type Cidr, cidrFamily, familyOf } from "../addr/index.ts";
import type { Address, FdbEntry, Neighbour, Route, Rule } from "./kernel.ts";
import type { RouteSpec } from "./operation.ts";

export const mainTable = 254;
export const localTable = 255;
/** rtm_protocol of routes and rules that the kernel made by itself. */
export const kernelProtocol = 2;
export const scopeUniverse = 0;
export const scopeLink = 253;
export const scopeHost = 254;

/** The metric of a route that names none: 0 in IPv4, 1024 (IP6_RT_PRIO_USER) in IPv6. */
export function defaultMetric(to: Cidr): number {
  return cidrFamily(to) === 4 ? 0 : 1024;
}

/** The scope ip(8) gives a route that names none: by its type and next hop in IPv4, always 0 in IPv6. */
export function defaultScope(route: RouteSpec): number {
  if (cidrFamily(route.to) === 6) return scopeUniverse;
  if (route.type === "local") return scopeHost;
  return route.type === "unicast" && route.via === undefined ? scopeLink : scopeUniverse;
}

/** The row without fields that say what holds anyway. */
export function normalRoute<T extends RouteSpec>(route: T): T {
  const { onlink, metric, scope, ...rest } = route;
  return {
    ...rest,
    ...(onlink ? { onlink } : {}),
    ...(metric === undefined || metric === defaultMetric(route.to) ? {} : { metric }),
    ...(scope === undefined || scope === defaultScope(route) ? {} : { scope }),
  } as T;
}

export function routeKey(route: Pick<Route, "to" | "table" | "metric">): string {
  return `${route.table} ${route.to} ${route.metric ?? defaultMetric(route.to)}`;
}

export function addressKey(address: Pick<Address, "linkIndex" | "ip" | "prefix">): string {
  return `${address.linkIndex} ${address.ip}/${address.prefix}`;
}

export function neighbourKey(row: Pick<Neighbour, "linkIndex" | "ip" | "proxy">): string {
  return `${row.linkIndex} ${row.ip}${row.proxy ? " proxy" : ""}`;
}

/** A flood entry (all zeros, or a group address) may have many destinations; another one has only one. */
export function isFloodMac(mac: string): boolean {
  return mac === "00:00:00:00:00:00" || (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}

export function fdbKey(row: Pick<FdbEntry, "linkIndex" | "mac" | "destination">): string {
  return `${row.linkIndex} ${row.mac}${isFloodMac(row.mac) ? ` ${row.destination ?? ""}` : ""}`;
}

/** Rules have no key of their own: a rule is all of its fields. */
export function ruleKey(rule: Rule): string {
  const { family, priority, from = "", to = "", fwmark = 0, fwmask = 0xffffffff, table, protocol } = rule;
  return `${family} ${priority} ${from} ${to} ${fwmark}/${fwmask} ${table} ${protocol}`;
}

export function familyOfRoute(route: Pick<Route, "to">): 4 | 6 {
  return cidrFamily(route.to);
}

/** True when an IPv4 route has an IPv6 next hop (RTA_VIA, RFC 8950 without BGP). */
export function viaOtherFamily(route: Pick<Route, "to" | "via">): boolean {
  return route.via !== undefined && familyOf(route.via) !== cidrFamily(route.to);
}
