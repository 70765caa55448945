/**
 * Which addresses of a pool may be handed out. Not: the first and last of an IPv4 pool (they look like
 * network and broadcast to old software) unless it is a /31 or /32 (RFC 3021); the first of an IPv6 pool
 * (subnet-router anycast, RFC 4291 section 2.6.1) unless it is a /127 or /128; the gateway; excluded ranges.
 * Edges are those of the pool: the first and last address of a block in its middle are ordinary.
 */
import {
  addressCount,
  type Cidr,
  cidrContains,
  cidrContainsCidr,
  cidrFamily,
  cidrFirst,
  cidrFromIp,
  cidrLast,
  cidrNth,
  cidrPrefix,
  familyBits,
  type Ip,
  ipToBigInt,
  subnetAt,
  subnetCount,
} from "../../addr/index.ts";
import type { PoolRecord } from "./network.ts";

function edgesOf(pool: PoolRecord): readonly Ip[] {
  const family = cidrFamily(pool.cidr);
  if (familyBits(family) - cidrPrefix(pool.cidr) <= 1) return [];
  return family === 4 ? [cidrFirst(pool.cidr), cidrLast(pool.cidr)] : [cidrFirst(pool.cidr)];
}

function singlesOf(pool: PoolRecord): readonly Ip[] {
  return [...new Set([...edgesOf(pool), ...(pool.gateway === undefined ? [] : [pool.gateway])])];
}

/** True if the pool may hand out `ip`, which lies inside of it. */
export function isUsable(pool: PoolRecord, ip: Ip): boolean {
  return !singlesOf(pool).includes(ip) && !(pool.exclude ?? []).some((range) => cidrContains(range, ip));
}

/** Addresses that the pool can ever hand out. */
export function usableCount(pool: PoolRecord): bigint {
  const excludes = pool.exclude ?? [];
  const excluded = excludes.reduce((sum, range) => sum + addressCount(range), 0n);
  const singles = singlesOf(pool).filter((ip) => !excludes.some((range) => cidrContains(range, ip)));
  return addressCount(pool.cidr) - excluded - BigInt(singles.length);
}

/** Addresses of `block`, one block of the pool, that may not be handed out. At most `blockAddressesMax`. */
export function unusableIn(pool: PoolRecord, block: Cidr): readonly Ip[] {
  const found = new Set<Ip>(singlesOf(pool).filter((ip) => cidrContains(block, ip)));
  for (const range of pool.exclude ?? []) {
    const part = cidrContainsCidr(range, block) ? block : range;
    if (!cidrContainsCidr(block, part)) continue;
    for (let i = 0n; i < addressCount(part); i++) found.add(cidrNth(part, i));
  }
  return [...found];
}

export function blockOfIp(pool: PoolRecord, ip: Ip): Cidr {
  return cidrFromIp(ip, pool.blockPrefix);
}

/** All blocks of the pool once, in order from number `start` on, around the end. Skips excluded ranges at once. */
export function* blocksFrom(pool: PoolRecord, start: bigint): Generator<Cidr> {
  const count = subnetCount(pool.cidr, pool.blockPrefix);
  for (let passed = 0n; passed < count; ) {
    const index = (start + passed) % count;
    const block = subnetAt(pool.cidr, pool.blockPrefix, index);
    const range = (pool.exclude ?? []).find((candidate) => cidrContainsCidr(candidate, block));
    if (range) {
      passed += indexOfBlock(pool, cidrLast(range)) - index + 1n;
    } else {
      yield block;
      passed++;
    }
  }
}

function indexOfBlock(pool: PoolRecord, ip: Ip): bigint {
  const hostBits = BigInt(familyBits(cidrFamily(pool.cidr)) - pool.blockPrefix);
  return (ipToBigInt(ip) - ipToBigInt(cidrFirst(pool.cidr))) >> hostBits;
}
