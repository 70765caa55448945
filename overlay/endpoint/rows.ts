/**
 * The rows of one endpoint, in the host and in the container, as data. Attach puts them, check looks for
 * them, the reconciler keeps the host's.
 *
 * Why permanent neighbours on both sides: the host's answer for 169.254.1.1 must not hang on its own routing
 * table (proxy ARP answers only on hosts with a default route), and a container must not be able to claim
 * another's address by ARP or ND. Why /32 with a link-scope route to the gateway: no container sees another
 * as its neighbour, so every packet passes the host's routing and its filters. Cost: 2 rows an address.
 */
import { type Cidr, familyBits, familyOf, hostCidr, type Ip, type Mac, parseCidr } from "../../addr/index.ts";
import {
  gateway4,
  gateway6,
  gatewayOf,
  mainTable,
  type RouteRow,
  type Row,
  routeProtocol,
  scopeHost,
  scopeLink,
} from "../row/index.ts";
import type { EndpointSpec } from "./spec.ts";

const anywhere = { 4: parseCidr("0.0.0.0/0"), 6: parseCidr("::/0") } as const;
/** rtm_protocol "boot": inside of the container the routes are the container's. */
const bootProtocol = 3;

/** What stands in the host's namespace: gateway addresses, then neighbours, then routes. */
export function hostRows(spec: Pick<EndpointSpec, "hostIfname" | "mac" | "addresses" | "handover">): Row[] {
  const link = spec.hostIfname;
  return [
    ...gatewaysOf(spec).map((ip): Row => gatewayAddress(link, ip)),
    ...spec.addresses.map((ip) => neighbour(link, ip, spec.mac)),
    ...spec.addresses.map((ip) => route({ to: hostCidr(ip), link, protocol: routeProtocol })),
  ];
}

/** What stands in the container's namespace, in the order in which the kernel takes it. */
export function containerRows(spec: Pick<EndpointSpec, "ifname" | "hostMac" | "addresses">): Row[] {
  const link = spec.ifname;
  const families = [...new Set(spec.addresses.map(familyOf))];
  return [
    ...spec.addresses.map((ip): Row => {
      return { kind: "address", link, ip, prefix: familyBits(familyOf(ip)), scope: 0 };
    }),
    ...families.map((family) => neighbour(link, gatewayOf(family), spec.hostMac)),
    ...families.flatMap((family) => defaultRoutes(link, family)),
  ];
}

export function hasIpv6(addresses: readonly Ip[]): boolean {
  return addresses.some((ip) => familyOf(ip) === 6);
}

/** Scope host in IPv4: the kernel must not choose it as the source of what the host sends to the container. */
function gatewayAddress(link: string, ip: Ip): Row {
  return familyOf(ip) === 4
    ? { kind: "address", link, ip, prefix: 32, scope: scopeHost }
    : { kind: "address", link, ip, prefix: 64, scope: scopeLink };
}

function gatewaysOf({ addresses, handover }: Pick<EndpointSpec, "addresses" | "handover">): readonly Ip[] {
  if (handover) return handover.gateways;
  return hasIpv6(addresses) ? [gateway6] : [];
}

function defaultRoutes(link: string, family: 4 | 6): Row[] {
  const to = anywhere[family];
  const protocol = bootProtocol;
  if (family === 6) return [route({ to, via: gateway6, link, protocol })];
  return [
    route({ to: hostCidr(gateway4), link, protocol }),
    route({ to, via: gateway4, link, protocol, onlink: true }),
  ];
}

function route(fields: Pick<RouteRow, "protocol" | "via" | "onlink"> & { to: Cidr; link: string }): Row {
  return { kind: "route", route: { type: "unicast", table: mainTable, ...fields } };
}

function neighbour(link: string, ip: Ip, mac: Mac): Row {
  return { kind: "neighbour", neighbour: { link, ip, mac, permanent: true } };
}
