/**
 * Who may open connections to whom, by the policies of networks:
 *
 *   open      with the containers of all open networks, and with the outside
 *   isolated  with its own containers, and with the outside
 *   internal  with its own containers only
 *
 * Decided where the packet leaves its container: `antispoof` vouches for the source there, and every node has
 * the same table, so nothing is asked again where it arrives, and nodes themselves reach all containers. Only
 * the outside must be kept from internal networks where they are. What answers is let through, what was
 * published is published for everybody but internal networks. An internal container has of its node what is
 * link-local: the gateway, which answers DNS.
 *
 * Sets of pools and of pairs of them, which change with networks only: no rule and no element an endpoint. Absent
 * when all networks are open. Pairs are a set of concatenated intervals (nft(8); Linux 5.6).
 */
import { type Cidr, cidrFamily, cidrOverlaps, type Family } from "../../addr/index.ts";
import type { FabricNetwork } from "../desired.ts";
import { hostPrefix } from "../row/index.ts";
import { addressSet, cidrElement } from "./address-set.ts";
import { chain, drop, field, match, type NftObject, place, rule } from "./syntax.ts";

const filterPriority = 0;
const counter = { counter: { packets: 0, bytes: 0 } };
const accept = { accept: null };
const protocols = [
  [4, "ip"],
  [6, "ip6"],
] as const;
/** The gateway and name server of every container; `ff00::/8` is what finds it (RFC 4861). */
const nodeItself = [
  ["ip", "169.254.0.0", 16],
  ["ip6", "fe80::", 10],
  ["ip6", "ff00::", 8],
] as const;

export function policyObjects(networks: readonly FabricNetwork[]): NftObject[] {
  const closed = networks.filter(({ policy }) => policy !== "open");
  if (closed.length === 0) return [];
  const internal = closed.filter(({ policy }) => policy === "internal").flatMap(({ pools }) => pools);
  const sets = protocols.flatMap(([family]) => [
    pairSet(`within${family}`, family, closed),
    addressSet(
      `closed${family}`,
      family,
      closed.flatMap(({ pools }) => pools),
    ),
    addressSet(`internal${family}`, family, internal),
  ]);
  return [...sets, ...forwardChain(), ...inputChain()];
}

function forwardChain(): NftObject[] {
  const name = "policy";
  const each = (...rules: ((protocol: "ip" | "ip6", family: Family) => readonly unknown[])[]) =>
    rules.flatMap((make) => protocols.map(([family, protocol]) => rule(name, ...make(protocol, family))));
  return [
    chain(name, "filter", "forward", filterPriority),
    rule(name, match("in", { ct: { key: "state" } }, ["established", "related"]), accept),
    ...each(
      (protocol, family) => [
        match("==", { concat: [field(protocol, "saddr"), field(protocol, "daddr")] }, `@within${family}`),
        accept,
      ],
      (protocol, family) => [match("==", field(protocol, "saddr"), `@internal${family}`), counter, drop],
      (protocol, family) => [
        match("!=", { meta: { key: "iifname" } }, `${hostPrefix}*`),
        match("==", field(protocol, "daddr"), `@internal${family}`),
        match("!=", field(protocol, "saddr"), `@pools${family}`),
        counter,
        drop,
      ],
    ),
    rule(name, match("!=", { meta: { key: "iifname" } }, `${hostPrefix}*`), accept),
    rule(name, match("in", { ct: { key: "status" } }, "dnat"), accept),
    ...each(
      (protocol, family) => [match("==", field(protocol, "daddr"), `@closed${family}`), counter, drop],
      (protocol, family) => [
        match("==", field(protocol, "saddr"), `@closed${family}`),
        match("==", field(protocol, "daddr"), `@pools${family}`),
        counter,
        drop,
      ],
    ),
  ];
}

function inputChain(): NftObject[] {
  const name = "policy_input";
  return [
    chain(name, "filter", "input", filterPriority),
    rule(name, match("!=", { meta: { key: "iifname" } }, `${hostPrefix}*`), accept),
    rule(name, match("in", { ct: { key: "state" } }, ["established", "related"]), accept),
    ...nodeItself.map(([protocol, addr, len]) =>
      rule(name, match("==", field(protocol, "daddr"), { prefix: { addr, len } }), accept),
    ),
    ...protocols.map(([family, protocol]) =>
      rule(name, match("==", field(protocol, "saddr"), `@internal${family}`), counter, drop),
    ),
  ];
}

/** Source and destination in one network. */
function pairSet(name: string, family: Family, networks: readonly FabricNetwork[]): NftObject {
  const pairs: (readonly [Cidr, Cidr])[] = [];
  for (const { pools } of networks) {
    const own = pools.filter((cidr) => cidrFamily(cidr) === family);
    for (const from of own) for (const to of own) if (!isCovered(pairs, from, to)) pairs.push([from, to]);
  }
  const type = family === 4 ? "ipv4_addr" : "ipv6_addr";
  const set = { ...place, name, type: [type, type], flags: ["interval"] };
  const elem = pairs.map((pair) => ({ concat: pair.map(cidrElement) }));
  return { set: elem.length === 0 ? set : { ...set, elem } };
}

/** The address plan has no overlaps; a set that had some would be refused whole. */
function isCovered(pairs: readonly (readonly [Cidr, Cidr])[], from: Cidr, to: Cidr): boolean {
  return pairs.some(([otherFrom, otherTo]) => cidrOverlaps(otherFrom, from) && cidrOverlaps(otherTo, to));
}
