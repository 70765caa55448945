/**
 * One query in, one reply out: the general path, which every query may take and which the fast path is held to.
 * Order: is it a query at all (else silence) → can it be read (else FORMERR) → is it of a kind we serve → our
 * names → forwarding, for those who may. Nothing that happens inside leaves a query that could be read without
 * a reply, and none waits longer than `replyTimeoutMs`.
 */
import type { Ip } from "../../addr/index.ts";
import type { Clock } from "../../clock/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { Resolution, Resolver } from "../resolver/index.ts";
import {
  decodeMessage,
  emptyMessage,
  encodeMessage,
  extendedErrors,
  headerBytes,
  type Message,
  type Question,
  rcodes,
} from "../wire/index.ts";
import { encodeShuffled } from "./order.ts";
import {
  type ReplyFacts,
  refusal,
  replyBytesMax,
  replyTo,
  soleQuestion,
  type Transport,
  withExtendedError,
} from "./reply.ts";

export interface ClientFacts {
  readonly ip: Ip;
  readonly transport: Transport;
}

/** Asks other name servers. Rejects when none of them gives an answer. */
export interface Forwarder {
  forward(
    question: Question,
    bits: Pick<Message, "checkingDisabled"> & { readonly dnssecOk: boolean },
  ): Promise<Message>;
}

/** Keeps replies for questions that come again. */
export interface AnswerKeeper {
  /** Of the moment before a look-up. */
  mark(): number;
  /** Takes note of a reply from our own names, before it is cut to size and put in order. */
  offer(reply: Message, resolution: Resolution, mark: number): void;
}

export interface ExchangeOptions {
  readonly resolver: Resolver;
  readonly forwarder: Forwarder | undefined;
  readonly mayForward: (client: Ip) => boolean;
  readonly facts: ReplyFacts;
  readonly clock: Clock;
  readonly random: () => number;
  readonly replyTimeoutMs: number;
  readonly keeper: AnswerKeeper;
  readonly onReply: (rcode: number) => void;
  readonly onFailure: (question: Question, error: unknown) => void;
}

export class Exchange {
  readonly #options: ExchangeOptions;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** The reply, or undefined where there must be none: not a query, or no header. Never rejects. */
  async handle(bytes: Uint8Array, client: ClientFacts): Promise<Uint8Array | undefined> {
    if (bytes.length < headerBytes || ((bytes[2] ?? 0) & 0x80) !== 0) return undefined;
    const { facts, onReply } = this.#options;
    let query: Message;
    try {
      query = decodeMessage(bytes);
    } catch (error) {
      const unread = headerOnly(bytes);
      const rcode =
        unread.opcode === 0 && isFabricError(error, "DNS_MALFORMED") ? rcodes.FORMERR : rcodes.NOTIMP;
      onReply(rcode);
      return encodeMessage(replyTo(unread, facts, rcode));
    }
    const limit = replyBytesMax(query, client.transport, facts);
    const question = soleQuestion(query);
    const refused = refusal(query);
    if (refused !== undefined || !question) {
      const rcode = refused ?? rcodes.FORMERR;
      onReply(rcode);
      return encodeMessage(replyTo(query, facts, rcode), limit);
    }
    const work = this.#answer(query, question, client, limit).catch((error: unknown) =>
      this.#failed(query, question, error, limit),
    );
    return this.#within(work, query, limit);
  }

  async #answer(query: Message, question: Question, client: ClientFacts, limit: number): Promise<Uint8Array> {
    const { resolver, facts, random, keeper, onReply } = this.#options;
    const mark = keeper.mark();
    const resolution = await resolver.resolve(question, client.ip);
    if (!resolution) return this.#forward(query, question, client, limit);
    const { rcode, answers, authorities, additionals } = resolution;
    const reply = { ...replyTo(query, facts, rcode), authoritative: true, answers, authorities, additionals };
    onReply(rcode);
    if (resolution.chase !== undefined) {
      return encodeMessage(await this.#chase(query, question, client, reply, resolution.chase), limit);
    }
    if (!resolution.anyOrder) return encodeMessage(reply, limit);
    keeper.offer(reply, resolution, mark);
    return encodeShuffled(reply, limit, random);
  }

  /** Adds what a foreign CNAME target has, where the client may ask for that; else the client follows itself. */
  async #chase(
    query: Message,
    question: Question,
    client: ClientFacts,
    reply: Message,
    name: string,
  ): Promise<Message> {
    const { forwarder, mayForward } = this.#options;
    if (!forwarder || !query.recursionDesired || !mayForward(client.ip)) return reply;
    const foreign = await forwarder.forward({ ...question, name }, bitsOf(query)).catch(() => undefined);
    return foreign ? { ...reply, answers: [...reply.answers, ...foreign.answers] } : reply;
  }

  async #forward(
    query: Message,
    question: Question,
    client: ClientFacts,
    limit: number,
  ): Promise<Uint8Array> {
    const { forwarder, mayForward, facts, onReply } = this.#options;
    if (!forwarder || !query.recursionDesired || !mayForward(client.ip)) {
      onReply(rcodes.REFUSED);
      const why = "no recursion for this client: this server answers for its own domains";
      return encodeMessage(
        withExtendedError(replyTo(query, facts, rcodes.REFUSED), extendedErrors.Prohibited, why),
        limit,
      );
    }
    const answer = await forwarder.forward(question, bitsOf(query));
    onReply(answer.rcode);
    const reply = replyTo(query, facts, query.edns ? answer.rcode : answer.rcode & 15);
    const { answers, authorities, additionals } = answer;
    const wantsAd = query.authenticData || query.edns?.dnssecOk === true;
    return encodeMessage(
      { ...reply, authenticData: wantsAd && answer.authenticData, answers, authorities, additionals },
      limit,
    );
  }

  #failed(query: Message, question: Question, error: unknown, limit: number): Uint8Array {
    const { facts, onReply, onFailure } = this.#options;
    onReply(rcodes.SERVFAIL);
    onFailure(question, error);
    const unreachable = isFabricError(error, "DNS_QUERY_FAILED");
    const code = unreachable ? extendedErrors.NoReachableAuthority : extendedErrors.Other;
    const text = isFabricError(error) ? error.code : "internal error";
    return encodeMessage(withExtendedError(replyTo(query, facts, rcodes.SERVFAIL), code, text), limit);
  }

  #within(work: Promise<Uint8Array>, query: Message, limit: number): Promise<Uint8Array> {
    const { clock, facts, replyTimeoutMs, onReply } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.setTimer(replyTimeoutMs, () => {
        onReply(rcodes.SERVFAIL);
        const reply = replyTo(query, facts, rcodes.SERVFAIL);
        resolve(encodeMessage(withExtendedError(reply, extendedErrors.NetworkError, "timed out"), limit));
      });
      void work.then((bytes) => {
        timer.cancel();
        resolve(bytes);
      });
    });
  }
}

function bitsOf(query: Message) {
  return { checkingDisabled: query.checkingDisabled, dnssecOk: query.edns?.dnssecOk === true };
}

/** Of a message whose records cannot be read: enough to say so. */
function headerOnly(bytes: Uint8Array): Message {
  const flags = bytes[2] ?? 0;
  return {
    ...emptyMessage,
    id: ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0),
    opcode: (flags >> 3) & 15,
    recursionDesired: (flags & 1) !== 0,
  };
}
