/**
 * Answers of other name servers, kept as long as their TTL says: positive ones by the smallest TTL among their
 * records, negative ones by the SOA (RFC 2308), neither beyond a cap. Given out with the time they spent here
 * taken off. What has expired stays a while longer, for the time when nobody can be asked (RFC 8767). Bounded by
 * number and by bytes; the least recently used go first.
 */
import { LRUCache } from "lru-cache";
import type { Clock } from "../../clock/index.ts";
import {
  type DnsRecord,
  encodeMessage,
  lowerName,
  type Message,
  type Question,
  rcodes,
} from "../wire/index.ts";

export interface AnswerCacheLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly ttlSecondsMax: number;
  readonly negativeTtlSecondsMax: number;
  /** How long after its end an answer may still be given; 0: not at all. */
  readonly staleSecondsMax: number;
  /** TTL of the records of such an answer. */
  readonly staleTtlSeconds: number;
}

export interface Kept {
  readonly message: Message;
  /** Seconds since its TTL was over; negative while it is not. */
  readonly staleSeconds: number;
  /** It was asked for again, and little is left of its time. */
  readonly endsSoon: boolean;
}

interface Entry {
  readonly message: Message;
  readonly storedAtMs: number;
  readonly ttlSeconds: number;
  asked: number;
}

/** An object in memory is about so many times larger than its bytes on the wire. */
const memoryFactor = 6;
/** Part of the TTL that is "little", of an answer that is kept long enough to be worth it. */
const littleLeft = 0.1;
const renewedTtlSecondsMin = 10;

export class AnswerCache {
  readonly #entries: LRUCache<string, Entry>;
  readonly #limits: AnswerCacheLimits;
  readonly #clock: Clock;

  constructor(limits: AnswerCacheLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#entries = new LRUCache({
      max: limits.entriesMax,
      maxSize: limits.bytesMax,
      sizeCalculation: ({ message }) => encodeMessage(message).length * memoryFactor,
    });
  }

  get(key: string): Kept | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const ageSeconds = Math.floor((this.#clock.monotonicMs() - entry.storedAtMs) / 1000);
    const { ttlSeconds } = entry;
    const { staleSecondsMax, staleTtlSeconds } = this.#limits;
    if (ageSeconds >= ttlSeconds + staleSecondsMax) {
      this.#entries.delete(key);
      return undefined;
    }
    const staleSeconds = ageSeconds - ttlSeconds;
    const aged = (record: DnsRecord) => ({
      ...record,
      ttlSeconds: staleSeconds >= 0 ? staleTtlSeconds : Math.max(0, record.ttlSeconds - ageSeconds),
    });
    const { answers, authorities, additionals } = entry.message;
    const message = {
      ...entry.message,
      answers: answers.map(aged),
      authorities: authorities.map(aged),
      additionals: additionals.map(aged),
    };
    entry.asked++;
    const endsSoon =
      entry.asked > 1 && ttlSeconds >= renewedTtlSecondsMin && -staleSeconds <= ttlSeconds * littleLeft;
    return { message, staleSeconds, endsSoon };
  }

  put(key: string, message: Message): void {
    const ttlSeconds = this.#ttlOf(message);
    if (ttlSeconds > 0)
      this.#entries.set(key, { message, storedAtMs: this.#clock.monotonicMs(), ttlSeconds, asked: 0 });
  }

  clear(): void {
    this.#entries.clear();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** 0: not to be kept. */
  #ttlOf(message: Message): number {
    const { answers, authorities, additionals, rcode, truncated } = message;
    if (truncated || (rcode !== rcodes.NOERROR && rcode !== rcodes.NXDOMAIN)) return 0;
    const smallest = (records: readonly DnsRecord[]) =>
      Math.min(...records.map(({ ttlSeconds }) => ttlSeconds));
    if (rcode === rcodes.NOERROR && answers.length > 0) {
      return Math.min(this.#limits.ttlSecondsMax, smallest([...answers, ...authorities, ...additionals]));
    }
    for (const { data, ttlSeconds } of authorities) {
      if (data.kind !== "SOA") continue;
      return Math.min(
        this.#limits.negativeTtlSecondsMax,
        ttlSeconds,
        data.minimumSeconds,
        smallest([...answers, ...authorities]),
      );
    }
    return 0;
  }
}

/** What an answer depends on besides the name servers. */
export function cacheKey(
  question: Question,
  bits: { readonly dnssecOk: boolean; readonly checkingDisabled: boolean },
): string {
  const flags = (bits.dnssecOk ? 2 : 0) | (bits.checkingDisabled ? 1 : 0);
  return `${lowerName(question.name)} ${question.type} ${question.class} ${flags}`;
}
