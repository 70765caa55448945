/** Networks whose replies are never limited, compared byte by byte, as the fast path has addresses as bytes only. */
import { type Cidr, cidrFirst, cidrPrefix, ipToBytes, parseCidr } from "../../addr/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { ClientView } from "./cookie.ts";

export interface ExemptRange {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

const loopback = ["127.0.0.0/8", "::1/128"].map(parseCidr);
const refreshMs = 1000;

/** Loopback and the given networks, which are looked at again once a second. */
export function exemptRanges(cidrs: () => readonly Cidr[], clock: Clock): () => readonly ExemptRange[] {
  let ranges: readonly ExemptRange[] = [];
  let text: string | undefined;
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - readAtMs < refreshMs) return ranges;
    readAtMs = nowMs;
    const read = [...loopback, ...cidrs()];
    if (read.join() === text) return ranges;
    text = read.join();
    ranges = read.map((cidr) => ({ bytes: ipToBytes(cidrFirst(cidr)), bits: cidrPrefix(cidr) }));
    return ranges;
  };
}

export function isExempt(client: ClientView, ranges: readonly ExemptRange[]): boolean {
  for (const { bytes, bits } of ranges)
    if (bytes.length === client.length && inRange(client, bytes, bits)) return true;
  return false;
}

function inRange(client: ClientView, bytes: Uint8Array, bits: number): boolean {
  for (let i = 0; i * 8 < bits; i++) {
    const left = bits - i * 8;
    const mask = left >= 8 ? 0xff : (0xff << (8 - left)) & 0xff;
    if ((((client.bytes[client.at + i] as number) ^ (bytes[i] as number)) & mask) !== 0) return false;
  }
  return true;
}
