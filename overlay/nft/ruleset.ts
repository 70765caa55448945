/**
 * The nftables table of a node, as the JSON of libnftables-json(5), written the way nft lists it, so that
 * wanted and observed compare after `canonical`. Static but for sets of networks' pools and for published ports:
 * nothing changes when a container without those starts or a node joins, only when a network does.
 *
 * `antispoof` drops what a container sends with a source that has no route back over its own veth; that is
 * one rule for all containers, before conntrack. IPv4 sources 0.0.0.0/8 (DHCP) are dropped, as fib(4)
 * lets them pass, and so is what goes to 127.0.0.0/8, as links of published ports have route_localnet; `::` may send ICMPv6 only, which duplicate address detection needs (RFC 4861 section 4.3).
 * `masquerade` gives traffic that leaves the fabric the node's address, for networks that ask for it.
 * `policy` keeps networks apart: see policy.ts.
 * An accept in this table does not overrule a drop in another: see user-chain.ts for Docker's; a host whose
 * FORWARD policy is drop for another reason needs its own accept for the pools.
 */
import type { Family } from "../../addr/index.ts";
import type { NodeDesired, PublishedPort } from "../desired.ts";
import { hostPrefix, nftFamily, nftTableName } from "../row/index.ts";
import { addressSet } from "./address-set.ts";
import { policyObjects } from "./policy.ts";
import { publishedChains, publishedSources } from "./published.ts";
import { chain, drop, field, match, type NftObject, rule } from "./syntax.ts";

const table: NftObject = { table: { family: nftFamily, name: nftTableName } };

/** Hook priorities by name in nft(8): raw, srcnat. */
const rawPriority = -300;
const srcnatPriority = 100;

/** The objects that should be in the table. */
export function desiredTable(
  networks: NodeDesired["networks"],
  published: readonly PublishedPort[] = [],
): NftObject[] {
  const pools = networks.flatMap((network) => network.pools);
  const masqueraded = networks.filter((network) => network.masquerade).flatMap((network) => network.pools);
  return [
    table,
    addressSet("pools4", 4, pools),
    addressSet("pools6", 6, pools),
    addressSet("masquerade4", 4, masqueraded),
    addressSet("masquerade6", 6, masqueraded),
    chain("antispoof", "filter", "prerouting", rawPriority),
    rule("antispoof", match("!=", { meta: { key: "iifname" } }, `${hostPrefix}*`), { accept: null }),
    rule("antispoof", match("==", field("ip", "saddr"), { prefix: { addr: "0.0.0.0", len: 8 } }), drop),
    rule("antispoof", match("==", field("ip", "daddr"), { prefix: { addr: "127.0.0.0", len: 8 } }), drop),
    rule(
      "antispoof",
      match("==", field("ip6", "saddr"), "::"),
      match("==", { meta: { key: "l4proto" } }, "ipv6-icmp"),
      { accept: null },
    ),
    rule(
      "antispoof",
      match("==", { fib: { result: "oif", flags: ["saddr", "iif"] } }, "0"),
      { counter: { packets: 0, bytes: 0 } },
      drop,
    ),
    chain("masquerade", "nat", "postrouting", srcnatPriority),
    masquerade("ip", 4),
    masquerade("ip6", 6),
    ...policyObjects(networks),
    ...publishedSources(published),
    ...publishedChains(published),
  ];
}

/** One transaction that leaves the table holding just these objects; packets meet the old or the new one. */
export function replaceTable(objects: readonly NftObject[]): unknown[] {
  return [...deleteTable(), ...objects.map((object) => ({ add: object }))];
}

/** Adding first makes the deletion succeed when there is no such table. */
export function deleteTable(): unknown[] {
  return [{ add: table }, { delete: table }];
}

function masquerade(protocol: "ip" | "ip6", family: Family): NftObject {
  return rule(
    "masquerade",
    match("==", field(protocol, "saddr"), `@masquerade${family}`),
    match("!=", field(protocol, "daddr"), `@pools${family}`),
    { masquerade: { flags: "fully-random" } },
  );
}
