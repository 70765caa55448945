/**
 * IPv4 and IPv6 addresses: strict parsing, canonical text (RFC 5952 for IPv6), bytes and arithmetic.
 *
 * Always holds: an `Ip` is in canonical text. Refused: leading zeros (they meant octal to some resolvers),
 * short forms (`10.1`), empty parts (`1..2.3`), zone ids (see `parseZonedIp`), white space.
 */
import { FabricError } from "../errors/index.ts";
import { ipv4ToNumber, ipv6ToBytes, printIpv4, printIpv6 } from "./ip-text.ts";

declare const ipv4Brand: unique symbol;
declare const ipv6Brand: unique symbol;

export type Ipv4 = string & { readonly [ipv4Brand]: true };
export type Ipv6 = string & { readonly [ipv6Brand]: true };
export type Ip = Ipv4 | Ipv6;
export type Family = 4 | 6;

/** Bits in an address of the family: 32 or 128. */
export function familyBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

export function familyOf(ip: Ip): Family {
  return ip.includes(":") ? 6 : 4;
}

/** @throws ADDR_INVALID_IP */
export function parseIp(text: string): Ip {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** @throws ADDR_INVALID_IP */
export function parseIpv4(text: string): Ipv4 {
  if (ipv4ToNumber(text) < 0) {
    throw new FabricError(
      "ADDR_INVALID_IP",
      `parse IPv4 address ${quote(text)}: expected four numbers 0-255 without leading zeros, as in 10.0.0.1`,
    );
  }
  // Strict text has one form only.
  return text as Ipv4;
}

/** @throws ADDR_INVALID_IP */
export function parseIpv6(text: string): Ipv6 {
  const bytes = ipv6ToBytes(text);
  if (!bytes) {
    throw new FabricError(
      "ADDR_INVALID_IP",
      `parse IPv6 address ${quote(text)}: expected RFC 4291 text without a zone, as in fd00::1`,
    );
  }
  return printIpv6(bytes) as Ipv6;
}

/** True if `text` would parse, in whatever notation; the value may still differ from its canonical form. */
export function isIp(text: string): boolean {
  return text.includes(":") ? ipv6ToBytes(text) !== undefined : ipv4ToNumber(text) >= 0;
}

export interface ZonedIp {
  readonly ip: Ip;
  /** Interface name or index after `%` (RFC 4007 section 11), absent when there was none. */
  readonly zone?: string;
}

/** Parses an address that may carry a zone id, where one makes sense: `fe80::1%eth0`. @throws ADDR_INVALID_IP */
export function parseZonedIp(text: string): ZonedIp {
  const at = text.indexOf("%");
  if (at < 0) return { ip: parseIp(text) };
  const zone = text.slice(at + 1);
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(zone)) {
    throw new FabricError(
      "ADDR_INVALID_IP",
      `parse zoned address ${quote(text)}: the zone must be an interface name or index`,
    );
  }
  return { ip: parseIpv6(text.slice(0, at)), zone };
}

/** Network byte order, 4 or 16 bytes. */
export function ipToBytes(ip: Ip): Uint8Array {
  if (familyOf(ip) === 6) return ipv6Bytes(ip);
  const value = ipv4Number(ip);
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** @throws ADDR_INVALID_IP unless there are 4 or 16 bytes */
export function ipFromBytes(bytes: Uint8Array): Ip {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as Ipv4;
  if (bytes.length === 16) return printIpv6(bytes) as Ipv6;
  throw new FabricError("ADDR_INVALID_IP", `read address of ${bytes.length} bytes: expected 4 or 16`);
}

export function ipToBigInt(ip: Ip): bigint {
  if (familyOf(ip) === 4) return BigInt(ipv4Number(ip));
  const words = viewOf(ipv6Bytes(ip));
  return (words.getBigUint64(0) << 64n) | words.getBigUint64(8);
}

/** @throws ADDR_OUT_OF_RANGE */
export function ipFromBigInt(family: Family, value: bigint): Ip {
  const bits = BigInt(familyBits(family));
  if (value < 0n || value >> bits !== 0n) {
    throw new FabricError(
      "ADDR_OUT_OF_RANGE",
      `make an IPv${family} address from ${value}: the number does not fit in ${bits} bits`,
    );
  }
  if (family === 4) return printIpv4(Number(value)) as Ipv4;
  const bytes = new Uint8Array(16);
  const words = viewOf(bytes);
  words.setBigUint64(0, value >> 64n);
  words.setBigUint64(8, BigInt.asUintN(64, value));
  return printIpv6(bytes) as Ipv6;
}

/** True when both are of one family and agree in their first `prefix` bits. */
export function sharesPrefix(a: Ip, b: Ip, prefix: number): boolean {
  const family = familyOf(a);
  if (family !== familyOf(b)) return false;
  // A shift takes its count modulo 32, so that one by 32 needs a case of its own.
  if (family === 4) return prefix === 0 || (ipv4Number(a) ^ ipv4Number(b)) >>> (32 - prefix) === 0;
  const left = ipv6Bytes(a);
  const right = ipv6Bytes(b);
  const whole = prefix >> 3;
  for (let i = 0; i < whole; i++) if (left[i] !== right[i]) return false;
  return whole === 16 || ((left[whole] as number) ^ (right[whole] as number)) >> (8 - (prefix & 7)) === 0;
}

/** The address `delta` after `ip` (before, if negative). @throws ADDR_OUT_OF_RANGE at the end of the family */
export function ipAdd(ip: Ip, delta: number | bigint): Ip {
  return ipFromBigInt(familyOf(ip), ipToBigInt(ip) + wholeNumber(delta));
}

/** Orders IPv4 before IPv6, then by number. */
export function compareIp(a: Ip, b: Ip): number {
  const family = familyOf(a) - familyOf(b);
  if (family !== 0) return family;
  if (familyOf(a) === 4) return ipv4Number(a) - ipv4Number(b);
  const left = ipv6Bytes(a);
  const right = ipv6Bytes(b);
  for (let i = 0; i < 16; i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function isLoopback(ip: Ip): boolean {
  return familyOf(ip) === 4 ? ip.startsWith("127.") : ip === "::1";
}

/** 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291). */
export function isLinkLocal(ip: Ip): boolean {
  const [first = 0, second = 0] = ipToBytes(ip);
  return familyOf(ip) === 4 ? first === 169 && second === 254 : first === 0xfe && (second & 0xc0) === 0x80;
}

/** @throws ADDR_OUT_OF_RANGE for a fraction */
export function wholeNumber(value: number | bigint): bigint {
  if (typeof value === "bigint") return value;
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new FabricError(
    "ADDR_OUT_OF_RANGE",
    `count ${value} addresses: expected a whole number; use a bigint if it is large`,
  );
}

function ipv4Number(ip: Ip): number {
  const value = ipv4ToNumber(ip);
  if (value < 0) throw unbranded(ip);
  return value;
}

function ipv6Bytes(ip: Ip): Uint8Array {
  const bytes = ipv6ToBytes(ip);
  if (!bytes) throw unbranded(ip);
  return bytes;
}

function unbranded(ip: string): FabricError {
  return new FabricError("ADDR_INVALID_IP", `read address ${quote(ip)}: the value was not made by parseIp`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
