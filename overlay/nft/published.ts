/**
 * Ports of the host that lead to containers: destination NAT for what comes in and for what the host itself sends,
 * so that localhost works without a process in between. Two cases need the host's address as source: a container
 * that calls its own published port, which would else answer itself past the host, and localhost.
 */
import { type Family, familyOf, type Ip } from "../../addr/index.ts";
import type { PublishedPort } from "../desired.ts";
import { hostPrefix } from "../row/index.ts";
import { chain, field, match, type NftObject, rule } from "./syntax.ts";

/** Hook priority by name in nft(8): dstnat. */
const dstnatPriority = -100;

/** No chains when nothing is published. */
export function publishedChains(published: readonly PublishedPort[]): NftObject[] {
  if (published.length === 0) return [];
  return (["prerouting", "output"] as const).flatMap((hook) => {
    const name = hook === "output" ? "publish_local" : "publish";
    return [chain(name, "nat", hook, dstnatPriority), ...published.map((port) => redirect(name, port))];
  });
}

/** Rules for the chain `masquerade`. */
export function publishedSources(published: readonly PublishedPort[]): NftObject[] {
  const ips = [...new Set(published.map(({ ip }) => ip))];
  const families = new Set(ips.map(familyOf));
  const local = loopbacks
    .filter(([family]) => families.has(family))
    .map(([family, loopback]) =>
      rule(
        "masquerade",
        match("==", { meta: { key: "oifname" } }, `${hostPrefix}*`),
        match("==", field(protocolOf(family), "saddr"), loopback),
        { masquerade: null },
      ),
    );
  return [...ips.map(hairpin), ...local];
}

/** What no container may be asked from, as its answer would not leave it. */
const loopbacks = [
  [4, { prefix: { addr: "127.0.0.0", len: 8 } }],
  [6, "::1"],
] as const;

function hairpin(ip: Ip): NftObject {
  const protocol = protocolOf(familyOf(ip));
  return rule(
    "masquerade",
    match("==", field(protocol, "saddr"), ip),
    match("==", field(protocol, "daddr"), ip),
    { masquerade: null },
  );
}

function redirect(name: string, { protocol, hostIp, hostPort, ip, port }: PublishedPort): NftObject {
  const family = protocolOf(familyOf(ip));
  const here =
    hostIp === undefined
      ? [
          match("==", { meta: { key: "nfproto" } }, familyOf(ip) === 4 ? "ipv4" : "ipv6"),
          match("==", { fib: { result: "type", flags: ["daddr"] } }, "local"),
        ]
      : [match("==", field(family, "daddr"), hostIp)];
  return rule(name, ...here, match("==", field(protocol, "dport"), hostPort), {
    dnat: { family, addr: ip, port },
  });
}

function protocolOf(family: Family): "ip" | "ip6" {
  return family === 4 ? "ip" : "ip6";
}
