/**
 * A block for a Docker network that asks for any. Docker repeats RequestPool, holding what it got, until a
 * block does not overlap a route of the host: so the same block is never answered twice while it is held.
 *
 * Drawn at random, not counted up: two engines that draw at the same time, each without the other's news, must
 * not draw the same one; the address plan refuses the second if they do.
 */
import {
  addressCount,
  type Cidr,
  cidrFamily,
  cidrFromIp,
  cidrOverlaps,
  type Family,
  ipFromBytes,
  parseCidr,
  subnetAt,
  subnetCount,
} from "../../../addr/index.ts";

/** 2,048 blocks of 4,096 addresses. */
export const drawRange: Cidr = parseCidr("10.128.0.0/9");
const drawPrefix = 20;
/** Tries before the range counts as full: with half of it taken the chance to fail is 2⁻⁶⁴. */
const triesMax = 64;

/** Undefined when every try met a block in `taken`. `random(n)` gives n random bytes. */
export function drawPool(
  family: Family,
  taken: readonly Cidr[],
  random: (size: number) => Uint8Array,
): Cidr | undefined {
  const rivals = taken.filter((cidr) => cidrFamily(cidr) === family);
  for (let tries = 0; tries < triesMax; tries++) {
    const candidate = family === 4 ? draw4(random(4)) : draw6(random(5));
    if (!rivals.some((cidr) => cidrOverlaps(cidr, candidate))) return candidate;
  }
  return undefined;
}

function draw4(bytes: Uint8Array): Cidr {
  const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return subnetAt(drawRange, drawPrefix, BigInt(number) % subnetCount(drawRange, drawPrefix));
}

/** A unique local /64 (RFC 4193): fd00::/8, 40 random bits, subnet 0. */
function draw6(bytes: Uint8Array): Cidr {
  const address = new Uint8Array(16);
  address[0] = 0xfd;
  address.set(bytes, 1);
  return cidrFromIp(ipFromBytes(address), 64);
}

/** Addresses of a range to try by name, in the order of the range. */
export function candidateCount(range: Cidr): number {
  const count = addressCount(range);
  return count > 65_536n ? 65_536 : Number(count);
}
