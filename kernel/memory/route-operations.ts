/**
 * Routes, rules and look-ups of the twin. A route is taken only when Linux would take it: its link exists and
 * is up, its next hop is reachable without a further hop (or `onlink` vouches for it), its source address is
 * this host's. Sentences are those of net/ipv4/fib_semantics.c and net/ipv6/route.c.
 */
import { cidrContains, cidrFamily, cidrPrefix, familyOf, type Ip, isLinkLocal } from "../../addr/index.ts";
import type { FabricError } from "../../errors/index.ts";
import type { Route, RoutePath, Rule } from "../kernel.ts";
import type { KernelOperation, LinkRef, RouteSpec } from "../operation.ts";
import { refusal } from "../refusal.ts";
import { normalRoute, routeKey, ruleKey } from "../rows.ts";
import type { MemoryNamespace } from "./namespace.ts";
import { findLink, refuse, seekLink } from "./refuse.ts";

type RouteOperation = Extract<KernelOperation, { readonly op: "route.put" | "route.delete" }>;
type RuleOperation = Extract<KernelOperation, { readonly op: "rule.put" | "rule.delete" }>;

export function putRoute(ns: MemoryNamespace, op: RouteOperation): void {
  const { link: ref, ...spec } = op.route;
  const isForwarding = spec.type === "unicast" || spec.type === "local";
  const row = isForwarding ? { ...spec, linkIndex: outLink(ns, op, ref) } : spec;
  if (spec.source !== undefined && !isOwn(ns, spec.source)) {
    throw refuse(
      op,
      "EINVAL",
      familyOf(spec.source) === 4 ? "Invalid prefsrc address" : "Invalid source address",
    );
  }
  const route: Route = normalRoute(row);
  ns.routes.set(routeKey(route), route);
  ns.changed("route");
}

/** The link a route leaves by. @throws what Linux would say */
function outLink(ns: MemoryNamespace, op: RouteOperation, ref: LinkRef | undefined): number {
  const { via, to, onlink } = op.route;
  const link = ref === undefined ? undefined : findLink(ns, ref, op);
  if (link && !link.up) checkDownLink(op);
  if (via === undefined || onlink) {
    if (!link && onlink) throw refuse(op, "ENODEV", "Nexthop device required for onlink");
    if (via !== undefined && link) checkOnlink(ns, op, via, link.index);
    if (!link) throw refuse(op, "ENODEV");
    return link.index;
  }
  if (familyOf(via) === 6 && isLinkLocal(via)) {
    if (!link) throw refuse(op, "EINVAL", "Egress device not specified");
    return link.index;
  }
  const hop = lookUp(ns, via, link?.index);
  const isDirect = hop?.type === "unicast" && hop.via === undefined;
  if (!isDirect || hop.linkIndex === undefined) throw unreachableHop(op, cidrFamily(to), hop);
  return hop.linkIndex;
}

/** IPv4 looks for a next hop first, and finds none behind a link that is down. */
function checkDownLink(op: RouteOperation): void {
  const { to, via, onlink } = op.route;
  if (cidrFamily(to) === 6 || onlink) throw refuse(op, "ENETDOWN", "Nexthop device is not up");
  if (via === undefined) throw refuse(op, "ENETDOWN", "Device for nexthop is not up");
}

/** `onlink` vouches for a next hop, not against what Linux knows better. */
function checkOnlink(ns: MemoryNamespace, op: RouteOperation, via: Ip, linkIndex: number): void {
  const hop = lookUp(ns, via);
  if (familyOf(via) === 4) {
    if (hop?.type === "local") throw refuse(op, "EINVAL", "Nexthop has invalid gateway");
    return;
  }
  const isElsewhere = hop?.type === "local" || (hop?.type === "unicast" && hop.linkIndex !== linkIndex);
  if (hop && isElsewhere && cidrPrefix(hop.to) > 0)
    throw refuse(op, "EINVAL", "Nexthop has invalid gateway or device mismatch");
}

function unreachableHop(op: RouteOperation, family: 4 | 6, hop: Route | undefined): FabricError {
  if (family === 6 || familyOf(op.route.via as Ip) === 6) return refuse(op, "EHOSTUNREACH");
  return refuse(op, hop?.type === "local" ? "EINVAL" : "ENETUNREACH", "Nexthop has invalid gateway");
}

function isOwn(ns: MemoryNamespace, ip: Ip): boolean {
  return ns.addresses.values().some((address) => address.ip === ip);
}

export function deleteRoute(ns: MemoryNamespace, op: RouteOperation): void {
  const key = meantKey(ns, op.route);
  if (key !== undefined && ns.routes.delete(key)) ns.changed("route");
}

/** IPv4 takes a missing metric for any: the lowest there is. */
function meantKey(ns: MemoryNamespace, wanted: RouteSpec): string | undefined {
  const exact = routeKey(wanted);
  const standing = ns.routes.get(exact);
  if (standing && isMeant(ns, wanted, standing)) return exact;
  if (cidrFamily(wanted.to) === 6 || wanted.metric) return undefined;
  const [lowest] = [...ns.routes.values()]
    .filter(({ to, table }) => to === wanted.to && table === wanted.table)
    .filter((row) => isMeant(ns, wanted, row))
    .sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0));
  return lowest && routeKey(lowest);
}

function isMeant(ns: MemoryNamespace, wanted: RouteSpec, standing: Route): boolean {
  if (!isMeantType(wanted, standing) || wanted.protocol !== standing.protocol) return false;
  if (wanted.via !== undefined && wanted.via !== standing.via) return false;
  if (wanted.link === undefined) return true;
  const link = seekLink(ns, wanted.link);
  return link !== undefined && link.index === standing.linkIndex;
}

/** IPv6 compares only whether a route rejects, and not even that without a link. */
function isMeantType(wanted: RouteSpec, standing: Route): boolean {
  const isReject = ({ type }: RouteSpec) => type === "unreachable" || type === "blackhole";
  if (cidrFamily(wanted.to) === 4) return wanted.type === standing.type;
  return isReject(wanted) ? isReject(standing) : true;
}

/** The most specific route by the tables' rules; only routes out of `linkIndex` when it is given. */
export function lookUp(ns: MemoryNamespace, ip: Ip, linkIndex?: number): Route | undefined {
  const family = familyOf(ip);
  const rules = [...ns.rules.values()].filter((rule) => rule.family === family && isForAll(rule, ip));
  for (const rule of rules.sort((a, b) => a.priority - b.priority)) {
    const found = lookUpInTable(ns, rule.table, ip, linkIndex);
    if (found) return found;
  }
  return undefined;
}

function isForAll(rule: Rule, ip: Ip): boolean {
  const isMarked = rule.fwmark !== undefined && rule.fwmark !== 0;
  return !isMarked && rule.from === undefined && (rule.to === undefined || cidrContains(rule.to, ip));
}

function lookUpInTable(
  ns: MemoryNamespace,
  table: number,
  ip: Ip,
  linkIndex: number | undefined,
): Route | undefined {
  let best: Route | undefined;
  for (const route of ns.routes.values()) {
    if (route.table !== table || !cidrContains(route.to, ip)) continue;
    if (linkIndex !== undefined && route.linkIndex !== linkIndex) continue;
    if (!best || isBetter(route, best)) best = route;
  }
  return best;
}

function isBetter(route: Route, than: Route): boolean {
  const longer = cidrPrefix(route.to) - cidrPrefix(than.to);
  return longer > 0 || (longer === 0 && (route.metric ?? 0) < (than.metric ?? 0));
}

/** `ip route get`. @throws KERNEL_REFUSED */
export function routePath(ns: MemoryNamespace, ip: Ip): RoutePath {
  const route = lookUp(ns, ip);
  const what = `ip route get ${ip}`;
  if (!route) throw refusal(what, "ENETUNREACH");
  if (route.type === "unreachable") throw refusal(what, "EHOSTUNREACH");
  if (route.type === "blackhole" || route.linkIndex === undefined) throw refusal(what, "EINVAL");
  const linkIndex = route.type === "local" ? loopbackIndex : route.linkIndex;
  const source = route.source ?? sourceOn(ns, linkIndex, familyOf(ip));
  return { linkIndex, ...(route.via ? { via: route.via } : {}), ...(source ? { source } : {}) };
}

const loopbackIndex = 1;

function sourceOn(ns: MemoryNamespace, linkIndex: number, family: 4 | 6): Ip | undefined {
  const isUsable = (address: { readonly ip: Ip }) => familyOf(address.ip) === family;
  const all = [...ns.addresses.values()].filter(isUsable);
  return (
    all.find((address) => address.linkIndex === linkIndex) ?? all.find((address) => address.scope === 0)
  )?.ip;
}

export function putRule(ns: MemoryNamespace, { rule }: RuleOperation): void {
  ns.rules.set(ruleKey(rule), rule);
  ns.changed("rule");
}

/** As in Linux, a selector that is not given stands for any; the first that matches goes. */
export function deleteRule(ns: MemoryNamespace, { rule }: RuleOperation): void {
  const isMeant = (standing: Rule) =>
    rule.family === standing.family &&
    rule.priority === standing.priority &&
    rule.table === standing.table &&
    rule.protocol === standing.protocol &&
    (["from", "to", "fwmark", "fwmask"] as const).every(
      (field) => rule[field] === undefined || rule[field] === standing[field],
    );
  const first = ns.rules.values().find(isMeant);
  if (first && ns.rules.delete(ruleKey(first))) ns.changed("rule");
}
