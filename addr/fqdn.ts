/**
 * Domain names as the fabric keeps them: lower case, no trailing dot, at most 253 characters, labels of 1-63
 * (RFC 1035 section 2.3.4). The root is the empty name. Labels may hold any printable ASCII but the dot, as
 * DNS carries bytes and service names have underscores; `isHostLabel` tells which may name a host (RFC 1123).
 */
import { FabricError } from "../errors/index.ts";
import { familyOf, type Ip, ipToBytes } from "./ip.ts";

declare const fqdnBrand: unique symbol;

export type Fqdn = string & { readonly [fqdnBrand]: true };

const nameMax = 253;
const labelMax = 63;

/** Lower-cases, drops one trailing dot. @throws ADDR_INVALID_NAME */
export function parseFqdn(text: string): Fqdn {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  if (name.length > nameMax) throw invalid(text, `it is longer than ${nameMax} characters`);
  // Before lower-casing, which turns the Kelvin sign (U+212A) into a k.
  if (!/^[\x21-\x7e]*$/.test(name)) {
    throw invalid(text, "labels may hold printable ASCII only; write other scripts as xn--…");
  }
  const fqdn = name.toLowerCase() as Fqdn;
  for (const label of fqdnLabels(fqdn)) {
    if (label === "") throw invalid(text, "it has an empty label");
    if (label.length > labelMax) throw invalid(text, `a label is longer than ${labelMax} characters`);
  }
  return fqdn;
}

/** Labels from the leftmost to the one below the root; none for the root. */
export function fqdnLabels(name: Fqdn): string[] {
  return name === "" ? [] : name.split(".");
}

/** Letters, digits and inner hyphens only (RFC 1123 section 2.1). */
export function isHostLabel(label: string): boolean {
  return label.length <= labelMax && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i.test(label);
}

/** Canonical DNS order: by label from the right (RFC 4034 section 6.1). */
export function compareFqdn(a: Fqdn, b: Fqdn): number {
  const left = fqdnLabels(a).reverse();
  const right = fqdnLabels(b).reverse();
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const l = left[i] ?? "";
    const r = right[i] ?? "";
    if (l !== r) return l < r ? -1 : 1;
  }
  return left.length - right.length;
}

/** `4.3.2.1.in-addr.arpa` or the nibbles under `ip6.arpa` (RFC 1035 section 3.5, RFC 3596 section 2.5). */
export function reverseName(ip: Ip): Fqdn {
  const bytes = ipToBytes(ip);
  if (familyOf(ip) === 4) return `${[...bytes].reverse().join(".")}.in-addr.arpa` as Fqdn;
  const nibbles = [...bytes].flatMap((byte) => [byte >> 4, byte & 15]).reverse();
  return `${nibbles.map((nibble) => nibble.toString(16)).join(".")}.ip6.arpa` as Fqdn;
}

function invalid(text: string, why: string): FabricError {
  return new FabricError("ADDR_INVALID_NAME", `parse name ${JSON.stringify(text.slice(0, 64))}: ${why}`);
}
