/**
 * Questions about names that are not ours go to other name servers, one after the other until one answers.
 * Equal questions under way at the same time are asked once. A server that fails goes to the end of the row.
 * Ids, source ports and, if asked for, the case of letters are random, so that a forged reply has to guess
 * (RFC 5452, draft-vixie-dnsext-dns0x20). What it keeps never holds a name of our own domains.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { exchangeTcp, exchangeUdp, type NameServer } from "../client/index.ts";
import type { Forwarded, Forwarder } from "../serve/index.ts";
import {
  type DnsRecord,
  type EdnsOption,
  emptyMessage,
  lowerName,
  type Message,
  type Question,
  rcodes,
} from "../wire/index.ts";
import { AnswerCache, type AnswerCacheLimits, cacheKey } from "./answer-cache.ts";

export interface ForwarderOptions {
  /** Who to ask, best first; read for each question. */
  readonly servers: () => readonly NameServer[];
  /** True for names of our own domains. */
  readonly isOurs: (name: string) => boolean;
  readonly clock: Clock;
  /** 0 to 65535, not to be foretold. */
  readonly randomId: () => number;
  readonly mixCase: boolean;
  /** For one try at one server. */
  readonly timeoutMs: number;
  readonly triesMax: number;
  /** Different questions under way; each holds at most one socket. */
  readonly inflightMax: number;
  readonly cache: AnswerCacheLimits;
}

export interface ForwarderStats {
  readonly asked: number;
  readonly cacheHits: number;
  readonly failed: number;
  readonly inflight: number;
  readonly cached: number;
}

type Bits = Parameters<Forwarder["forward"]>[1];

const upstreamUdpBytes = 1232;
/** Of the range for local use (RFC 6891 section 9): tells a question of ours that comes back. */
const loopOption = 65_072;

export class UpstreamForwarder implements Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache: AnswerCache;
  readonly #underWay = new Map<string, Promise<Message>>();
  readonly #failedAt = new Map<string, number>();
  readonly #mark: Uint8Array;
  readonly #ownMark: EdnsOption;
  #asked = 0;
  #cacheHits = 0;
  #failed = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#mark = Uint8Array.from({ length: 8 }, () => options.randomId() & 0xff);
    this.#ownMark = { code: loopOption, data: this.#mark };
    this.#cache = new AnswerCache(options.cache, options.clock);
  }

  /** @throws DNS_QUERY_FAILED, DNS_FORWARD_OVERLOADED */
  async forward(question: Question, bits: Bits): Promise<Forwarded> {
    const key = cacheKey(question, bits);
    const kept = this.#cache.get(key);
    if (kept) {
      this.#cacheHits++;
      return { message: withOwner(kept, question.name), errors: [] };
    }
    const underWay = this.#underWay.get(key) ?? this.#start(key, question, bits);
    return { message: withOwner(await underWay, question.name), errors: [] };
  }

  isOwn({ edns }: Message): boolean {
    return (
      edns?.options.some(
        ({ code, data }) => code === loopOption && Buffer.compare(data, this.#mark) === 0,
      ) === true
    );
  }

  stats(): ForwarderStats {
    const inflight = this.#underWay.size;
    return {
      asked: this.#asked,
      cacheHits: this.#cacheHits,
      failed: this.#failed,
      inflight,
      cached: this.#cache.size,
    };
  }

  #start(key: string, question: Question, bits: Bits): Promise<Message> {
    const { inflightMax } = this.#options;
    if (this.#underWay.size >= inflightMax) {
      throw new FabricError(
        "DNS_FORWARD_OVERLOADED",
        `forward ${question.name}: ${inflightMax} questions are under way; see why upstream servers are slow`,
      );
    }
    const work = this.#ask(question, bits)
      .then((message) => {
        if (this.#mayKeep(message)) this.#cache.put(key, message);
        return message;
      })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, work);
    return work;
  }

  async #ask(question: Question, bits: Bits): Promise<Message> {
    const { triesMax } = this.#options;
    const servers = this.#byHealth();
    let last: Message | undefined;
    let cause: unknown;
    for (let i = 0; i < triesMax && servers.length > 0; i++) {
      const server = servers[i % servers.length] as NameServer;
      try {
        last = await this.#askOne(server, question, bits);
        if (last.rcode === rcodes.NOERROR || last.rcode === rcodes.NXDOMAIN) {
          this.#failedAt.delete(serverKey(server));
          return last;
        }
      } catch (error) {
        cause = error;
      }
      this.#failedAt.set(serverKey(server), this.#options.clock.monotonicMs());
    }
    this.#failed++;
    if (last) return last;
    const what =
      servers.length === 0
        ? "there is no name server to ask"
        : `none of ${servers.length} name servers answered`;
    throw new FabricError(
      "DNS_QUERY_FAILED",
      `forward ${question.name || "."}: ${what}; check the upstream servers`,
      {
        cause,
      },
    );
  }

  async #askOne(server: NameServer, question: Question, bits: Bits): Promise<Message> {
    const { clock, timeoutMs, randomId, mixCase } = this.#options;
    this.#asked++;
    const name = mixCase ? mixedCase(question.name, randomId) : question.name;
    const query: Message = {
      ...emptyMessage,
      id: randomId(),
      recursionDesired: true,
      checkingDisabled: bits.checkingDisabled,
      questions: [{ ...question, name }],
      edns: { udpBytes: upstreamUdpBytes, version: 0, dnssecOk: bits.dnssecOk, options: [this.#ownMark] },
    };
    const reply = await exchangeUdp(server, query, { timeoutMs, clock });
    return reply.truncated ? exchangeTcp(server, query, { timeoutMs, clock }) : reply;
  }

  /** Servers in their given order, those that failed last behind. */
  #byHealth(): NameServer[] {
    const failedAt = (server: NameServer) =>
      this.#failedAt.get(serverKey(server)) ?? Number.NEGATIVE_INFINITY;
    const servers = [...this.#options.servers()];
    for (const key of this.#failedAt.keys()) {
      if (!servers.some((server) => serverKey(server) === key)) this.#failedAt.delete(key);
    }
    return servers.sort((a, b) => (failedAt(a) === failedAt(b) ? 0 : failedAt(a) - failedAt(b)));
  }

  #mayKeep({ answers, authorities, additionals }: Message): boolean {
    return ![...answers, ...authorities, ...additionals].some(({ name }) => this.#options.isOurs(name));
  }
}

/** The answer with the name as this client wrote it. */
function withOwner(message: Message, name: string): Message {
  const lower = lowerName(name);
  const renamed = (record: DnsRecord) => (lowerName(record.name) === lower ? { ...record, name } : record);
  return { ...message, answers: message.answers.map(renamed) };
}

function serverKey({ address, port }: NameServer): string {
  return `${address} ${port}`;
}

function mixedCase(name: string, random: () => number): string {
  return name.replace(/[a-z]/gi, (letter) => (random() & 1 ? letter.toUpperCase() : letter.toLowerCase()));
}
