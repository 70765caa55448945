/**
 * SipHash-2-4 with 64 bits of output (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), on 32-bit halves,
 * as BigInt costs a hundred times more. No allocation: the fast path hashes once a query that has a cookie.
 */

/** Four 64-bit words as low and high halves. */
const v = new Int32Array(8);

/** One SipRound over `v`. */
function round(): void {
  let a0 = v[0] as number;
  let a1 = v[1] as number;
  let b0 = v[2] as number;
  let b1 = v[3] as number;
  let c0 = v[4] as number;
  let c1 = v[5] as number;
  let d0 = v[6] as number;
  let d1 = v[7] as number;
  let low: number;

  low = (a0 >>> 0) + (b0 >>> 0);
  a1 = (a1 + b1 + (low > 0xffffffff ? 1 : 0)) | 0;
  a0 = low | 0;
  low = (c0 >>> 0) + (d0 >>> 0);
  c1 = (c1 + d1 + (low > 0xffffffff ? 1 : 0)) | 0;
  c0 = low | 0;
  let t0 = (b0 << 13) | (b1 >>> 19);
  let t1 = (b1 << 13) | (b0 >>> 19);
  b0 = t0 ^ a0;
  b1 = t1 ^ a1;
  t0 = (d0 << 16) | (d1 >>> 16);
  t1 = (d1 << 16) | (d0 >>> 16);
  d0 = t0 ^ c0;
  d1 = t1 ^ c1;
  t0 = a0;
  a0 = a1;
  a1 = t0;

  low = (c0 >>> 0) + (b0 >>> 0);
  c1 = (c1 + b1 + (low > 0xffffffff ? 1 : 0)) | 0;
  c0 = low | 0;
  low = (a0 >>> 0) + (d0 >>> 0);
  a1 = (a1 + d1 + (low > 0xffffffff ? 1 : 0)) | 0;
  a0 = low | 0;
  t0 = (b0 << 17) | (b1 >>> 15);
  t1 = (b1 << 17) | (b0 >>> 15);
  b0 = t0 ^ c0;
  b1 = t1 ^ c1;
  t0 = (d0 << 21) | (d1 >>> 11);
  t1 = (d1 << 21) | (d0 >>> 11);
  d0 = t0 ^ a0;
  d1 = t1 ^ a1;

  v[0] = a0;
  v[1] = a1;
  v[2] = b0;
  v[3] = b1;
  v[4] = c1;
  v[5] = c0;
  v[6] = d0;
  v[7] = d1;
}

export const sipKeyBytes = 16;

/** Writes the hash of `data[0, length)` to `out[at, at + 8)`, lowest byte first. @param key 16 bytes */
export function sipHash(
  key: Uint8Array,
  data: Uint8Array,
  length: number,
  out: Uint8Array,
  at: number,
): void {
  const k0 = word(key, 0);
  const k1 = word(key, 4);
  const k2 = word(key, 8);
  const k3 = word(key, 12);
  v[0] = k0 ^ 0x70736575;
  v[1] = k1 ^ 0x736f6d65;
  v[2] = k2 ^ 0x6e646f6d;
  v[3] = k3 ^ 0x646f7261;
  v[4] = k0 ^ 0x6e657261;
  v[5] = k1 ^ 0x6c796765;
  v[6] = k2 ^ 0x79746573;
  v[7] = k3 ^ 0x74656462;
  const whole = length & ~7;
  for (let i = 0; i < whole; i += 8) absorb(word(data, i), word(data, i + 4));
  let low = 0;
  let high = (length & 0xff) << 24;
  for (let i = whole; i < length; i++) {
    const shift = (i - whole) * 8;
    if (shift < 32) low |= (data[i] as number) << shift;
    else high |= (data[i] as number) << (shift - 32);
  }
  absorb(low, high);
  v[4] = (v[4] as number) ^ 0xff;
  for (let i = 0; i < 4; i++) round();
  const sum0 = (v[0] as number) ^ (v[2] as number) ^ (v[4] as number) ^ (v[6] as number);
  const sum1 = (v[1] as number) ^ (v[3] as number) ^ (v[5] as number) ^ (v[7] as number);
  for (let i = 0; i < 4; i++) {
    out[at + i] = sum0 >>> (8 * i);
    out[at + 4 + i] = sum1 >>> (8 * i);
  }
}

function absorb(low: number, high: number): void {
  v[6] = (v[6] as number) ^ low;
  v[7] = (v[7] as number) ^ high;
  round();
  round();
  v[0] = (v[0] as number) ^ low;
  v[1] = (v[1] as number) ^ high;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}
