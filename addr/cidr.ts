/**
 * Address blocks. A `Cidr` is canonical text with no bit set beyond its prefix (`10.1.0.0/16`); an address
 * with a prefix length, as on an interface, is an `IpWithPrefix` instead. Counts are bigint: an IPv6 pool
 * holds more addresses than a double can tell apart.
 */
import { FabricError } from "../errors/index.ts";
import {
  type Family,
  familyBits,
  familyOf,
  type Ip,
  ipFromBigInt,
  ipToBigInt,
  parseIp,
  sharesPrefix,
  wholeNumber,
} from "./ip.ts";

declare const cidrBrand: unique symbol;

export type Cidr = string & { readonly [cidrBrand]: true };

export interface IpWithPrefix {
  readonly ip: Ip;
  /** 0-32 or 0-128. */
  readonly prefix: number;
}

/** Parses a block such as `10.1.0.0/16`. @throws ADDR_INVALID_CIDR also when bits beyond the prefix are set */
export function parseCidr(text: string): Cidr {
  const { ip, prefix } = parseIpWithPrefix(text);
  const block = cidrFromIp(ip, prefix);
  if (cidrFirst(block) !== ip) {
    throw new FabricError(
      "ADDR_INVALID_CIDR",
      `parse block ${JSON.stringify(text)}: ${ip} has bits set beyond /${prefix}; write ${block}`,
    );
  }
  return block;
}

/** Parses an address with its prefix length such as `10.1.0.7/16`. @throws ADDR_INVALID_CIDR */
export function parseIpWithPrefix(text: string): IpWithPrefix {
  const slash = text.indexOf("/");
  const lengthText = slash < 0 ? "" : text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(lengthText)) {
    throw new FabricError(
      "ADDR_INVALID_CIDR",
      `parse ${JSON.stringify(text.slice(0, 64))}: expected ADDRESS/PREFIX, as in 10.1.0.0/16`,
    );
  }
  const ip = parseAddressPart(text, slash);
  const prefix = Number(lengthText);
  const bits = familyBits(familyOf(ip));
  if (prefix > bits) {
    throw new FabricError(
      "ADDR_INVALID_CIDR",
      `parse ${JSON.stringify(text)}: the prefix length must be 0-${bits}`,
    );
  }
  return { ip, prefix };
}

function parseAddressPart(text: string, slash: number): Ip {
  try {
    return parseIp(text.slice(0, slash));
  } catch (cause) {
    throw new FabricError(
      "ADDR_INVALID_CIDR",
      `parse ${JSON.stringify(text.slice(0, 64))}: the part before the slash is not an address`,
      { cause },
    );
  }
}

/** The block of length `prefix` that `ip` lies in. */
export function cidrFromIp(ip: Ip, prefix: number): Cidr {
  const family = familyOf(ip);
  checkPrefix(family, prefix);
  const hostBits = BigInt(familyBits(family) - prefix);
  return `${ipFromBigInt(family, (ipToBigInt(ip) >> hostBits) << hostBits)}/${prefix}` as Cidr;
}

/** The /32 or /128 of one address. */
export function hostCidr(ip: Ip): Cidr {
  return `${ip}/${familyBits(familyOf(ip))}` as Cidr;
}

export function cidrFamily(cidr: Cidr): Family {
  return cidr.includes(":") ? 6 : 4;
}

export function cidrPrefix(cidr: Cidr): number {
  return Number(cidr.slice(cidr.indexOf("/") + 1));
}

export function cidrFirst(cidr: Cidr): Ip {
  return cidr.slice(0, cidr.indexOf("/")) as Ip;
}

export function cidrLast(cidr: Cidr): Ip {
  return ipFromBigInt(cidrFamily(cidr), ipToBigInt(cidrFirst(cidr)) + addressCount(cidr) - 1n);
}

/** Addresses in the block, the first and last included. */
export function addressCount(cidr: Cidr): bigint {
  return 1n << BigInt(familyBits(cidrFamily(cidr)) - cidrPrefix(cidr));
}

/** The address at `offset` from the start of the block. @throws ADDR_OUT_OF_RANGE */
export function cidrNth(cidr: Cidr, offset: number | bigint): Ip {
  const at = wholeNumber(offset);
  if (at < 0n || at >= addressCount(cidr)) {
    throw new FabricError(
      "ADDR_OUT_OF_RANGE",
      `take address ${at} of ${cidr}: the block has ${addressCount(cidr)}`,
    );
  }
  return ipFromBigInt(cidrFamily(cidr), ipToBigInt(cidrFirst(cidr)) + at);
}

/** Inverse of `cidrNth`. @throws ADDR_OUT_OF_RANGE if `ip` is outside */
export function addressOffset(cidr: Cidr, ip: Ip): bigint {
  if (!cidrContains(cidr, ip))
    throw new FabricError("ADDR_OUT_OF_RANGE", `find ${ip} in ${cidr}: it is outside of the block`);
  return ipToBigInt(ip) - ipToBigInt(cidrFirst(cidr));
}

/** False also when the families differ. */
export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  return sharesPrefix(cidrFirst(cidr), ip, cidrPrefix(cidr));
}

export function cidrContainsCidr(outer: Cidr, inner: Cidr): boolean {
  return cidrPrefix(outer) <= cidrPrefix(inner) && cidrContains(outer, cidrFirst(inner));
}

export function cidrOverlaps(a: Cidr, b: Cidr): boolean {
  return cidrContainsCidr(a, b) || cidrContainsCidr(b, a);
}

/** How many blocks of length `prefix` fit into `cidr`. @throws ADDR_OUT_OF_RANGE if none does */
export function subnetCount(cidr: Cidr, prefix: number): bigint {
  checkPrefix(cidrFamily(cidr), prefix);
  if (prefix < cidrPrefix(cidr)) {
    throw new FabricError(
      "ADDR_OUT_OF_RANGE",
      `cut ${cidr} into blocks of /${prefix}: the block is smaller than that`,
    );
  }
  return 1n << BigInt(prefix - cidrPrefix(cidr));
}

/** The block number `index` of length `prefix` inside `cidr`. @throws ADDR_OUT_OF_RANGE */
export function subnetAt(cidr: Cidr, prefix: number, index: number | bigint): Cidr {
  const at = wholeNumber(index);
  if (at < 0n || at >= subnetCount(cidr, prefix)) {
    throw new FabricError(
      "ADDR_OUT_OF_RANGE",
      `take block ${at} of /${prefix} in ${cidr}: there are ${subnetCount(cidr, prefix)}`,
    );
  }
  const size = 1n << BigInt(familyBits(cidrFamily(cidr)) - prefix);
  return `${ipFromBigInt(cidrFamily(cidr), ipToBigInt(cidrFirst(cidr)) + at * size)}/${prefix}` as Cidr;
}

/** All blocks of length `prefix` inside `cidr`, in order, made one at a time. */
export function* subnets(cidr: Cidr, prefix: number): Generator<Cidr> {
  const count = subnetCount(cidr, prefix);
  for (let index = 0n; index < count; index++) yield subnetAt(cidr, prefix, index);
}

/** @throws ADDR_OUT_OF_RANGE */
function checkPrefix(family: Family, prefix: number): void {
  const bits = familyBits(family);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits) {
    throw new FabricError(
      "ADDR_OUT_OF_RANGE",
      `use prefix length ${prefix} for IPv${family}: it must be 0-${bits}`,
    );
  }
}
