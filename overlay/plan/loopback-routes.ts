/**
 * What lets `[::1]` lead to a published port. IPv4 has route_localnet for it; in IPv6 the question passes, but an
 * answer that NAT has turned back to ::1 finds no route: Linux looks for loopback addresses only on the very
 * interface that the packet came in on (rt6_need_strict). So that interface gets a local route to ::1, behind the
 * one that everybody has. Nothing else comes in by it: packets to or from ::1 are dropped at every interface but
 * loopback before NAT sees them (RFC 4291 section 2.5.3).
 */
import { familyOf, hostCidr, parseIpv6 } from "../../addr/index.ts";
import type { PublishedPort } from "../desired.ts";
import type { AttachedEndpoint } from "../endpoint/index.ts";
import { hostPrefix, mainTable, type Row, routeProtocol } from "../row/index.ts";

export const loopback6 = parseIpv6("::1");
/** Linux takes one route of a metric: each link has its own, beyond what others choose. */
const [metricBase, hashDigits] = [0x4000_0000, 7];

export function loopbackRoutes(
  published: readonly PublishedPort[],
  endpoints: readonly AttachedEndpoint[],
): Row[] {
  const reached = new Set(
    published.flatMap(({ ip, hostIp }) =>
      familyOf(ip) === 6 && (hostIp === undefined || hostIp === loopback6) ? [ip] : [],
    ),
  );
  if (reached.size === 0) return [];
  const taken = new Set<number>();
  const links = endpoints
    .filter(({ addresses }) => addresses.some((ip) => reached.has(ip)))
    .map(({ hostIfname }) => hostIfname);
  return links.toSorted().map((link): Row => {
    let metric = metricBase + Number.parseInt(link.slice(hostPrefix.length).slice(0, hashDigits), 16);
    while (taken.has(metric)) metric++;
    taken.add(metric);
    const to = hostCidr(loopback6);
    return {
      kind: "route",
      route: { to, type: "local", link, metric, protocol: routeProtocol, table: mainTable },
    };
  });
}
