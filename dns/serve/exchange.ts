/**
 * One query in, one reply out: the general path, which every query may take and which the fast path is held to.
 * Order: is it a query at all (else silence) → can it be read (else FORMERR) → is it of a kind we serve → has it
 * the cookie that it needs → our names → forwarding, for those who may. Nothing that happens inside leaves a query
 * that could be read without a reply, and none waits longer than `replyTimeoutMs`. Only the rate of replies over
 * UDP is limited.
 */
import type { Ip } from "../../addr/index.ts";
import type { Clock } from "../../clock/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { Resolution, Resolver } from "../resolver/index.ts";
import {
  decodeMessage,
  type EdnsOption,
  emptyMessage,
  encodeMessage,
  extendedErrors,
  headerBytes,
  type Message,
  type Question,
  rcodes,
} from "../wire/index.ts";
import { clientSubnetOf, replySubnet } from "./client-subnet.ts";
import type { ClientView, CookieJar } from "./cookie.ts";
import { clientView, keepalive, padded, viewCookie } from "./edns-options.ts";
import { encodeShuffled } from "./order.ts";
import type { RateGate } from "./rate-gate.ts";
import { replyKind } from "./rate-limit.ts";
import {
  type ExtendedError,
  type ReplyFacts,
  refusal,
  replyBytesMax,
  replyTo,
  soleQuestion,
  type Transport,
  withExtendedErrors,
  withTtlMax,
} from "./reply.ts";

export interface ClientFacts {
  readonly ip: Ip;
  readonly transport: Transport;
}

/** What another name server said. */
export interface Forwarded {
  readonly message: Message;
  /** Why it is not as fresh as it could be, or what that server had to say. */
  readonly errors: readonly ExtendedError[];
}

/** Asks other name servers. */
export interface Forwarder {
  /** Rejects when none of them gives an answer. */
  forward(
    question: Question,
    bits: Pick<Message, "checkingDisabled"> & { readonly dnssecOk: boolean },
  ): Promise<Forwarded>;
  /** True for a question that came here by forwarding already, and would go round in circles. */
  isLoop(query: Message): boolean;
  /** The name is asked elsewhere whatever we know of it; a promise while that is not known yet. */
  claims(name: string): boolean | Promise<boolean>;
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
  readonly cookies: CookieJar;
  readonly gate: RateGate;
  /** Told to clients over TCP and TLS that ask for it. */
  readonly idleTimeoutMs: number;
  /** Since when our own names may be out of date; undefined while they are not. */
  readonly staleSinceMs: () => number | undefined;
  readonly staleTtlSeconds: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly replyTimeoutMs: number;
  readonly keeper: AnswerKeeper;
  readonly onReply: (rcode: number) => void;
  readonly onFailure: (question: Question, error: unknown) => void;
}

/** A query that could be read, and what its reply has in any case. */
interface Asked {
  readonly query: Message;
  readonly client: ClientFacts;
  readonly view: ClientView;
  readonly known: boolean;
  readonly options: readonly EdnsOption[];
  readonly limit: number;
}

/** A reply before it is bytes. */
interface Reply {
  readonly message: Message;
  /** Its answers may be given in any order. */
  readonly anyOrder?: boolean;
}

export class Exchange {
  readonly #options: ExchangeOptions;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** The reply, or undefined where there must be none: not a query, no header, too many. Never rejects. */
  async handle(bytes: Uint8Array, client: ClientFacts): Promise<Uint8Array | undefined> {
    if (bytes.length < headerBytes || ((bytes[2] ?? 0) & 0x80) !== 0) return undefined;
    const { facts, clock } = this.#options;
    const view = clientView(client, clock.wallMs());
    let query: Message;
    try {
      query = decodeMessage(bytes);
    } catch (error) {
      const unread = headerOnly(bytes);
      const rcode =
        unread.opcode === 0 && isFabricError(error, "DNS_MALFORMED") ? rcodes.FORMERR : rcodes.NOTIMP;
      const asked = { query: unread, client, view, known: false, options: [], limit: bytes.length };
      return this.#finish(asked, { message: replyTo(unread, facts, rcode) });
    }
    const { cookies, idleTimeoutMs } = this.#options;
    const cookie = viewCookie(query, cookies, view);
    const options = [...cookie.options, ...keepalive(query, client.transport, idleTimeoutMs)];
    const limit = replyBytesMax(query, client.transport, facts);
    const asked: Asked = { query, client, view, known: cookie.known, options, limit };
    const question = soleQuestion(query);
    const refused = refusal(query, client.transport);
    if (refused !== undefined || !question)
      return this.#finish(asked, this.#bare(asked, refused ?? rcodes.FORMERR));
    if (client.transport === "udp" && cookies.required && cookie.shown && !cookie.known) {
      return this.#finish(asked, this.#bare(asked, rcodes.BADCOOKIE));
    }
    const work = this.#answer(asked, question).catch((error: unknown) =>
      this.#failed(asked, question, error),
    );
    return this.#finish(asked, await this.#within(work, asked));
  }

  /** To bytes, unless the client gets too many of them. */
  #finish(asked: Asked, { message, anyOrder = false }: Reply): Uint8Array | undefined {
    const { query, client, limit, view, known } = asked;
    const { gate, random, onReply, facts } = this.#options;
    onReply(message.rcode);
    if (client.transport === "udp") {
      const verdict = gate.judge(view, replyKind(message), known);
      if (verdict === "drop") return undefined;
      if (verdict === "slip") {
        return encodeMessage({ ...replyTo(query, facts, message.rcode, asked.options), truncated: true });
      }
    }
    const bytes = anyOrder ? encodeShuffled(message, limit, random) : encodeMessage(message, limit);
    if (client.transport !== "tls" || !message.edns) return bytes;
    return padded(
      query,
      bytes,
      message.edns.options.reduce((sum, { data }) => sum + 4 + data.length, 0),
    );
  }

  #bare({ query, options }: Asked, rcode: number, errors: readonly ExtendedError[] = []): Reply {
    return { message: withExtendedErrors(replyTo(query, this.#options.facts, rcode, options), errors) };
  }

  async #answer(asked: Asked, question: Question): Promise<Reply> {
    const { query, client, options } = asked;
    const { resolver, facts, keeper, forwarder } = this.#options;
    const mark = keeper.mark();
    const subnet = clientSubnetOf(query.edns);
    if (subnet === "malformed") return this.#bare(asked, rcodes.FORMERR);
    if (await forwarder?.claims(question.name)) return this.#forward(asked, question);
    const resolution = await resolver.resolve(question, client.ip, subnet?.subnet);
    if (!resolution) return this.#forward(asked, question);
    const { rcode, answers, authorities, additionals, tailored = false } = resolution;
    const found = { ...replyTo(query, facts, rcode), authoritative: true, answers, authorities, additionals };
    const message = this.#stated(found, subnet ? [...options, replySubnet(subnet, tailored)] : options);
    if (resolution.chase !== undefined) return this.#chase(asked, question, message, resolution.chase);
    if (!resolution.anyOrder) return { message };
    if (!subnet) keeper.offer(message, resolution, mark);
    return { message, anyOrder: true };
  }

  /** With the options of this query; and if no server can be reached, saying so (RFC 8767). */
  #stated(found: Message, options: readonly EdnsOption[]): Message {
    const { staleSinceMs, staleTtlSeconds } = this.#options;
    const message = found.edns ? { ...found, edns: { ...found.edns, options } } : found;
    const since = staleSinceMs();
    if (since === undefined) return message;
    return withExtendedErrors(withTtlMax(message, staleTtlSeconds), [staleNotice(since, found.rcode)]);
  }

  /** Adds what a foreign CNAME target has, where the client may ask for that; else the client follows itself. */
  async #chase({ query, client }: Asked, question: Question, message: Message, name: string): Promise<Reply> {
    const { forwarder, mayForward } = this.#options;
    if (!forwarder || !query.recursionDesired || !mayForward(client.ip)) return { message };
    const foreign = await forwarder.forward({ ...question, name }, bitsOf(query)).catch(() => undefined);
    if (!foreign) return { message };
    const answers = [...message.answers, ...foreign.message.answers];
    return { message: withExtendedErrors({ ...message, answers }, foreign.errors) };
  }

  async #forward(asked: Asked, question: Question): Promise<Reply> {
    const { query, client, options } = asked;
    const { forwarder, mayForward, facts } = this.#options;
    if (!forwarder || !query.recursionDesired || !mayForward(client.ip)) {
      const text = "no recursion for this client: this server answers for its own domains";
      return this.#bare(asked, rcodes.REFUSED, [{ code: extendedErrors.Prohibited, text }]);
    }
    if (forwarder.isLoop(query)) {
      const text = "a forwarding loop: this question was forwarded to this server";
      return this.#bare(asked, rcodes.REFUSED, [{ code: extendedErrors.Other, text }]);
    }
    const { message: answer, errors } = await forwarder.forward(question, bitsOf(query));
    const reply = replyTo(query, facts, answer.rcode, options);
    const { answers, authorities, additionals } = answer;
    const wantsAd = query.authenticData || query.edns?.dnssecOk === true;
    const message = {
      ...reply,
      authenticData: wantsAd && answer.authenticData,
      answers,
      authorities,
      additionals,
    };
    return { message: withExtendedErrors(message, errors) };
  }

  #failed(asked: Asked, question: Question, error: unknown): Reply {
    this.#options.onFailure(question, error);
    return this.#bare(asked, rcodes.SERVFAIL, [
      { code: failureCode(error), text: isFabricError(error) ? error.code : "internal error" },
    ]);
  }

  #within(work: Promise<Reply>, asked: Asked): Promise<Reply> {
    const { clock, replyTimeoutMs } = this.#options;
    return new Promise((resolve) => {
      const late = [{ code: extendedErrors.NetworkError, text: "timed out" }];
      const timer = clock.setTimer(replyTimeoutMs, () => resolve(this.#bare(asked, rcodes.SERVFAIL, late)));
      void work.then((reply) => {
        timer.cancel();
        resolve(reply);
      });
    });
  }
}

/** What a reply says that was made without a server. Both paths of a query use this text. */
export function staleNotice(sinceMs: number, rcode: number): ExtendedError {
  const code = rcode === rcodes.NXDOMAIN ? extendedErrors.StaleNxdomain : extendedErrors.StaleAnswer;
  return { code, text: `as of ${new Date(sinceMs).toISOString()}` };
}

function failureCode(error: unknown): number {
  if (isFabricError(error, "DNS_QUERY_FAILED")) return extendedErrors.NoReachableAuthority;
  if (isFabricError(error, "DAEMON_NAME_UNAVAILABLE") || isFabricError(error, "API_NO_SERVER"))
    return extendedErrors.NotReady;
  return extendedErrors.Other;
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
