/**
 * Questions about names that are not ours go to other name servers: those of the zone that is named with the most
 * labels, else the default ones. Order: what is kept and fresh → what failed just now fails again (RFC 9520) → ask.
 * Equal questions under way at the same time are asked once. When no answer comes in time, one that has expired is
 * given, and says so (RFC 8767). An answer that is asked for again near its end is renewed before. What is kept
 * never holds a name of our own domains. A question of ours that comes back is told by a mark in it.
 *
 * Stub zones come and go, and are asked before our own domains are. A question to their servers carries SkyDNS's mark: one
 * that has it was sent by a stub already, and goes to no other (SkyDNS's README, "Stub Zones").
 */
import { LRUCache } from "lru-cache";
import { FabricError } from "../../errors/index.ts";
import type { NameServer } from "../client/index.ts";
import type { ExtendedError, Forwarded, Forwarder } from "../serve/index.ts";
import {
  type EdnsOption,
  extendedErrorOption,
  extendedErrors,
  lowerName,
  type Message,
  type Question,
  rcodes,
} from "../wire/index.ts";
import { AnswerCache, type AnswerCacheLimits, cacheKey, type Kept } from "./answer-cache.ts";
import { askSeveral, inOrder } from "./ask-several.ts";
import { isAnswer, type QueryBits, Upstream, type UpstreamTerms } from "./upstream.ts";

export interface ForwardZone {
  /** Lower case, without the last dot; "" is every name. */
  readonly zone: string;
  /** Who to ask, best first; read for each question. */
  readonly servers: () => readonly NameServer[];
}

/** Zones whose servers are asked before anything else is looked at. */
export interface StubSource {
  /** Another list after each change. */
  readonly zones: readonly { readonly zone: string; readonly servers: readonly NameServer[] }[];
  /** Undefined once they are known. */
  readonly whenKnown: Promise<void> | undefined;
}

export interface ForwarderOptions extends UpstreamTerms {
  readonly zones: readonly ForwardZone[];
  readonly stubs?: StubSource;
  /** True for names of our own domains. */
  readonly isOurs: (name: string) => boolean;
  readonly triesMax: number;
  /** Different questions under way; each holds at most one socket for each server that it asks. */
  readonly inflightMax: number;
  /** Questions that are asked at a second server before the first has failed. */
  readonly hedgesMax: number;
  readonly hedgeMinMs: number;
  /** A client waits so long for a fresh answer when there is an expired one. */
  readonly staleAfterMs: number;
  /** So long after a failure an expired answer is given without asking again; and without one, the failure itself. */
  readonly staleRetryMs: number;
  readonly failureMs: number;
  readonly cache: AnswerCacheLimits;
}

export interface UpstreamStats {
  readonly server: string;
  readonly rests: boolean;
  readonly roundTripMs: number;
}

export interface ForwarderStats {
  readonly asked: number;
  readonly cacheHits: number;
  readonly stale: number;
  readonly failed: number;
  readonly inflight: number;
  readonly cached: number;
  readonly upstreams: readonly UpstreamStats[];
}

type Wanted = StubSource["zones"][number];

interface Failure {
  readonly atMs: number;
  readonly message?: Message;
  readonly error?: unknown;
}

/** Of the range for local use (RFC 6891 section 9). */
const markOption = 65_072;
/** Of SkyDNS: the tenth of that range, with one byte. */
const stubMark: EdnsOption = { code: 65_011, data: Uint8Array.of(1) };

export class UpstreamForwarder implements Forwarder {
  readonly #options: ForwarderOptions;
  readonly #zones: readonly ForwardZone[];
  #stubs: readonly Wanted[] = [];
  #stubsFrom: StubSource["zones"] | undefined;
  readonly #cache: AnswerCache;
  readonly #failures: LRUCache<string, Failure>;
  readonly #underWay = new Map<string, Promise<Message>>();
  readonly #upstreams = new Map<string, Upstream>();
  readonly #mark: EdnsOption;
  #asked = 0;
  #cacheHits = 0;
  #stale = 0;
  #failed = 0;
  #hedges = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#zones = options.zones.toSorted((a, b) => b.zone.length - a.zone.length);
    this.#cache = new AnswerCache(options.cache, options.clock);
    this.#failures = new LRUCache({ max: options.cache.entriesMax });
    this.#mark = {
      code: markOption,
      data: Uint8Array.from({ length: 8 }, () => options.randomId() & 0xff),
    };
  }

  /** @throws DNS_QUERY_FAILED, DNS_FORWARD_OVERLOADED */
  async forward(question: Question, bits: QueryBits): Promise<Forwarded> {
    const key = cacheKey(question, bits);
    const kept = this.#cache.get(key);
    if (kept && kept.staleSeconds < 0) {
      this.#cacheHits++;
      if (kept.endsSoon) this.#renew(key, question, bits);
      return given(kept.message, question.name);
    }
    const failure = this.#recentFailure(key, kept !== undefined);
    if (failure && kept) return this.#giveStale(kept, question.name);
    if (failure?.message) return given(failure.message, question.name);
    if (failure) throw failure.error;
    if (kept) return this.#freshOrStale(kept, key, question, bits);
    return given(await this.#start(key, question, bits), question.name);
  }

  isLoop({ edns, questions }: Message): boolean {
    const has = (mark: EdnsOption) =>
      edns?.options.some(({ code, data }) => code === mark.code && Buffer.compare(data, mark.data) === 0) ===
      true;
    return has(this.#mark) || (has(stubMark) && this.#stubOf(questions[0]?.name ?? "") !== undefined);
  }

  claims(name: string): boolean | Promise<boolean> {
    const claimed = () => this.#stubOf(name) !== undefined;
    return this.#options.stubs?.whenKnown?.then(claimed) ?? claimed();
  }

  stats(): ForwarderStats {
    return {
      asked: this.#asked,
      cacheHits: this.#cacheHits,
      stale: this.#stale,
      failed: this.#failed,
      inflight: this.#underWay.size,
      cached: this.#cache.size,
      upstreams: [...this.#upstreams].map(([server, { rests, roundTripMs }]) => ({
        server,
        rests,
        roundTripMs: Math.round(roundTripMs * 10) / 10,
      })),
    };
  }

  close(): void {
    for (const upstream of this.#upstreams.values()) upstream.close();
    this.#upstreams.clear();
  }

  #recentFailure(key: string, hasStale: boolean): Failure | undefined {
    const failure = this.#failures.get(key);
    if (!failure) return undefined;
    const { staleRetryMs, failureMs, clock } = this.#options;
    return clock.monotonicMs() - failure.atMs < (hasStale ? staleRetryMs : failureMs) ? failure : undefined;
  }

  /** In the background, if there is room. */
  #renew(key: string, question: Question, bits: QueryBits): void {
    if (this.#underWay.has(key) || this.#underWay.size * 2 >= this.#options.inflightMax) return;
    this.#start(key, question, bits).catch(() => undefined);
  }

  #freshOrStale(kept: Kept, key: string, question: Question, bits: QueryBits): Promise<Forwarded> {
    const { clock, staleAfterMs } = this.#options;
    return new Promise((resolve) => {
      const stale = () => resolve(this.#giveStale(kept, question.name));
      const timer = clock.setTimer(staleAfterMs, stale);
      this.#start(key, question, bits)
        .then((message) => (isAnswer(message) ? resolve(given(message, question.name)) : stale()), stale)
        .finally(() => timer.cancel());
    });
  }

  #giveStale({ message, staleSeconds }: Kept, name: string): Forwarded {
    this.#stale++;
    const nxdomain = message.rcode === rcodes.NXDOMAIN;
    const code = nxdomain ? extendedErrors.StaleNxdomain : extendedErrors.StaleAnswer;
    return { ...given(message, name), errors: [{ code, text: `expired ${staleSeconds} s ago` }] };
  }

  async #start(key: string, question: Question, bits: QueryBits): Promise<Message> {
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    const { inflightMax } = this.#options;
    if (this.#underWay.size >= inflightMax) {
      throw new FabricError(
        "DNS_FORWARD_OVERLOADED",
        `forward ${question.name}: ${inflightMax} questions are under way; see why upstream servers are slow`,
      );
    }
    const asOf = this.#stubsFrom;
    const work = this.#ask(question, bits)
      .then(
        (message) => (asOf === this.#stubsFrom ? this.#learn(key, message) : message),
        (error: unknown) => {
          this.#noteFailure(key, { error });
          throw error;
        },
      )
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, work);
    return work;
  }

  #learn(key: string, message: Message): Message {
    if (message.rcode === rcodes.SERVFAIL) this.#noteFailure(key, { message });
    else this.#failures.delete(key);
    if (this.#mayKeep(message)) this.#cache.put(key, message);
    return message;
  }

  #noteFailure(key: string, what: Omit<Failure, "atMs">): void {
    this.#failed++;
    this.#failures.set(key, { atMs: this.#options.clock.monotonicMs(), ...what });
  }

  async #ask(question: Question, bits: QueryBits): Promise<Message> {
    const { clock, triesMax, hedgeMinMs, hedgesMax } = this.#options;
    const upstreams = inOrder(this.#upstreamsFor(question.name));
    const failed = (what: string, cause?: unknown) =>
      new FabricError(
        "DNS_QUERY_FAILED",
        `forward ${question.name || "."}: ${what}; check the upstream servers`,
        { cause },
      );
    if (upstreams.length === 0) throw failed("there is no name server to ask");
    this.#asked++;
    const terms = {
      clock,
      triesMax,
      hedgeMinMs,
      mayHedge: () => this.#hedges < hedgesMax && ++this.#hedges > 0,
      endHedge: () => void this.#hedges--,
    };
    return askSeveral(upstreams, question, bits, terms).catch((cause: unknown) => {
      throw failed(`none of ${upstreams.length} name servers answered`, cause);
    });
  }

  /** Those of the longest zone that has the name. Servers that nobody names any more are let go. */
  #upstreamsFor(name: string): Upstream[] {
    const lower = lowerName(name);
    const zone = this.#zones.find(
      (each) => each.zone === "" || lower === each.zone || lower.endsWith(`.${each.zone}`),
    );
    const stub = this.#stubOf(name);
    const wanted = stub?.servers ?? zone?.servers() ?? [];
    const keyOf = stub ? stubKey : serverKey;
    const marks = stub ? [this.#mark, stubMark] : [this.#mark];
    for (const server of wanted) {
      const key = keyOf(server);
      if (!this.#upstreams.has(key)) this.#upstreams.set(key, new Upstream(server, marks, this.#options));
    }
    this.#forgetUnnamed();
    return wanted.map((server) => this.#upstreams.get(keyOf(server)) as Upstream);
  }

  /** The longest stub zone that has the name. What other servers said before a change of the zones is forgotten. */
  #stubOf(name: string): Wanted | undefined {
    const zones = this.#options.stubs?.zones;
    if (zones !== this.#stubsFrom) {
      this.#stubsFrom = zones;
      this.#stubs = (zones ?? []).toSorted((a, b) => b.zone.length - a.zone.length);
      this.#cache.clear();
      this.#failures.clear();
    }
    if (this.#stubs.length === 0) return undefined;
    const lower = lowerName(name);
    return this.#stubs.find(({ zone }) => lower === zone || lower.endsWith(`.${zone}`));
  }

  #forgetUnnamed(): void {
    const named = new Set([
      ...this.#zones.flatMap(({ servers }) => servers().map(serverKey)),
      ...this.#stubs.flatMap(({ servers }) => servers.map(stubKey)),
    ]);
    for (const [key, upstream] of this.#upstreams) {
      if (named.has(key)) continue;
      upstream.close();
      this.#upstreams.delete(key);
    }
  }

  #mayKeep({ answers, authorities, additionals }: Message): boolean {
    return ![...answers, ...authorities, ...additionals].some(
      ({ name }) => this.#options.isOurs(name) && this.#stubOf(name) === undefined,
    );
  }
}

/** The answer with the name as this client wrote it, and with what the other server had to say. */
function given(message: Message, name: string): Forwarded {
  const lower = lowerName(name);
  const answers = message.answers.map((record) =>
    lowerName(record.name) === lower ? { ...record, name } : record,
  );
  return { message: { ...message, answers }, errors: errorsOf(message) };
}

function errorsOf({ edns }: Message): readonly ExtendedError[] {
  return (edns?.options ?? [])
    .filter(({ code, data }) => code === extendedErrorOption && data.length >= 2)
    .map(({ data }) => {
      const [high = 0, low = 0] = data;
      return { code: (high << 8) | low, text: Buffer.from(data.subarray(2)).toString("utf8") };
    });
}

function stubKey(server: NameServer): string {
  return `${serverKey(server)}, stub`;
}

function serverKey({ address, port, tlsName }: NameServer): string {
  return tlsName === undefined ? `${address} port ${port}` : `tls://${address} port ${port} ${tlsName}`;
}
