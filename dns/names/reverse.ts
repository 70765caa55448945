/**
 * Reverse names: `4.3.2.1.in-addr.arpa` and nibbles under `ip6.arpa` (RFC 1035 section 3.5, RFC 3596 section
 * 2.5), and the zones that cover an address pool.
 */
import {
  type Cidr,
  cidrFirst,
  cidrPrefix,
  familyOf,
  type Ip,
  ipFromBytes,
  reverseName,
} from "../../addr/index.ts";

/** The address that a name under `arpa` stands for; undefined for any other name, and for part of an address. */
export function parseReverseName(labels: readonly string[]): Ip | undefined {
  const zone = labels.slice(-2).join(".");
  const parts = labels.slice(0, -2).reverse();
  if (zone === "in-addr.arpa") {
    if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
      return undefined;
    }
    return ipFromBytes(Uint8Array.from(parts, Number));
  }
  if (zone !== "ip6.arpa" || parts.length !== 32 || !parts.every((part) => /^[0-9a-f]$/.test(part)))
    return undefined;
  return ipFromBytes(Buffer.from(parts.join(""), "hex"));
}

/** The smallest reverse zone that holds the pool: `1.10.in-addr.arpa` for 10.1.0.0/16, and for 10.1.0.0/20 too. */
export function reverseZone(pool: Cidr): string {
  const first = cidrFirst(pool);
  const [bitsPerLabel, labelCount] = familyOf(first) === 4 ? [8, 4] : [4, 32];
  const kept = Math.floor(cidrPrefix(pool) / bitsPerLabel);
  return reverseName(first)
    .split(".")
    .slice(labelCount - kept)
    .join(".");
}
