/**
 * Response rate limiting: whoever forges the address of a victim gets few replies sent there. Equal replies to one
 * network (/24, /56) are a bucket of tokens that fills by `perSecond` and holds one second's worth. Beyond it every
 * `slip`-th reply says "ask over TCP", which a real client does, and the others are not sent (as BIND and Knot do).
 *
 * The table has a fixed size: of four neighbours the fullest bucket, which is the one that matters least, makes
 * place for a new one. Places depend on a random number, so nobody can aim at another's bucket.
 */
import { lowerName, type Message, rcodes } from "../wire/index.ts";
import type { ClientView } from "./cookie.ts";

export interface RateTerms {
  readonly perSecond: number;
  /** 0: none; 1: each. */
  readonly slip: number;
  readonly entriesMax: number;
  readonly prefix4Bits: number;
  readonly prefix6Bits: number;
}

export type Verdict = "send" | "slip" | "drop";

const kinds = { none: 1, nxdomain: 2, error: 3 } as const;

/**
 * What is limited together: equal questions that have an answer, all of the others by the way in which they have
 * none, so that made-up names do not make a bucket each.
 */
export function replyKind({ rcode, answers, questions: [question] }: Message): number {
  if (rcode === rcodes.NXDOMAIN) return kinds.nxdomain;
  if (rcode !== rcodes.NOERROR) return kinds.error;
  if (answers.length === 0 || !question) return kinds.none;
  let hash = question.type;
  const name = lowerName(question.name);
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), hashPrime);
  return hash;
}

const wordTag = 0;
/** Thousandths of a token. */
const wordTokens = 1;
const wordAtMs = 2;
const wordLimited = 3;
const bucketWords = 4;
const ways = 4;
const hashPrime = 0x01000193;

export class RateLimiter {
  readonly #terms: RateTerms;
  readonly #buckets: Int32Array;
  readonly #mask: number;
  readonly #seed: number;

  /** @param seed any 32 bits that nobody else knows */
  constructor(terms: RateTerms, seed: number) {
    this.#terms = terms;
    this.#seed = seed;
    const sets = 2 ** Math.max(0, Math.floor(Math.log2(terms.entriesMax / ways)));
    this.#mask = sets - 1;
    this.#buckets = new Int32Array(sets * ways * bucketWords);
  }

  /** Counts one reply. @param nowMs monotonic */
  take(client: ClientView, kind: number, nowMs: number): Verdict {
    const { perSecond, slip } = this.#terms;
    const full = perSecond * 1000;
    const now = nowMs | 0;
    const bucket = this.#bucketOf(this.#tagOf(client, kind), now, full);
    const buckets = this.#buckets;
    const passed = Math.max(0, (now - (buckets[bucket + wordAtMs] as number)) | 0);
    const tokens = Math.min(full, (buckets[bucket + wordTokens] as number) + passed * perSecond);
    buckets[bucket + wordAtMs] = now;
    if (tokens >= 1000) {
      buckets[bucket + wordTokens] = tokens - 1000;
      return "send";
    }
    buckets[bucket + wordTokens] = tokens;
    const limited = ((buckets[bucket + wordLimited] as number) + 1) | 0;
    buckets[bucket + wordLimited] = limited;
    return slip > 0 && limited % slip === 0 ? "slip" : "drop";
  }

  #bucketOf(tag: number, now: number, full: number): number {
    const buckets = this.#buckets;
    const first = (tag & this.#mask) * ways * bucketWords;
    let fullest = first;
    let most = -1;
    for (let bucket = first; bucket < first + ways * bucketWords; bucket += bucketWords) {
      if (buckets[bucket + wordTag] === tag) return bucket;
      const passed = Math.max(0, (now - (buckets[bucket + wordAtMs] as number)) | 0);
      const fresh = buckets[bucket + wordTag] === 0 ? full + 1 : 0;
      const tokens = fresh || (buckets[bucket + wordTokens] as number) + passed * this.#terms.perSecond;
      if (tokens <= most) continue;
      most = tokens;
      fullest = bucket;
    }
    buckets[fullest + wordTag] = tag;
    buckets[fullest + wordTokens] = full;
    buckets[fullest + wordAtMs] = now;
    buckets[fullest + wordLimited] = 0;
    return fullest;
  }

  /** Never 0, which marks an empty bucket. */
  #tagOf(client: ClientView, kind: number): number {
    const { prefix4Bits, prefix6Bits } = this.#terms;
    const bits = client.length === 4 ? prefix4Bits : prefix6Bits;
    let hash = Math.imul(this.#seed ^ kind, hashPrime) ^ client.length;
    for (let i = 0; i * 8 < bits; i++) {
      const left = bits - i * 8;
      const byte = (client.bytes[client.at + i] as number) & (left >= 8 ? 0xff : 0xff << (8 - left));
      hash = Math.imul(hash ^ byte, hashPrime);
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return hash ^ (hash >>> 16) || 1;
  }
}
