/**
 * From a query to the frame of its reply: what is refused before anything is looked up, which bits are copied,
 * how large the reply may be (RFC 1035 section 4.1.1, RFC 6891 section 6.2.3, RFC 4035 section 3.1.6).
 */
import {
  classIn,
  cookieOption,
  type DnsRecord,
  type EdnsOption,
  emptyMessage,
  extendedErrorOption,
  keepaliveOption,
  type Message,
  messageBytesMax,
  opcodeQuery,
  type Question,
  rcodes,
  typeNumbers,
} from "../wire/index.ts";
import { isCookieLength } from "./cookie.ts";

/** Without EDNS (RFC 1035 section 4.2.1). */
export const plainUdpBytesMax = 512;

export type Transport = "udp" | "tcp" | "tls";

export interface ReplyFacts {
  /** RA: this server forwards for some clients. */
  readonly recursionAvailable: boolean;
  /** Largest UDP message that we send, and that we say we take. */
  readonly udpBytesMax: number;
}

/** What explains a reply (RFC 8914). */
export interface ExtendedError {
  readonly code: number;
  readonly text: string;
}

/** The reply without records. OPT, with these options, is there exactly if the query had it. */
export function replyTo(
  query: Message,
  facts: ReplyFacts,
  rcode: number,
  options: readonly EdnsOption[] = [],
): Message {
  const { id, opcode, recursionDesired, checkingDisabled, questions, edns } = query;
  const { recursionAvailable, udpBytesMax: udpBytes } = facts;
  return {
    ...emptyMessage,
    id,
    response: true,
    opcode,
    recursionDesired,
    recursionAvailable,
    checkingDisabled,
    rcode: edns ? rcode : rcode & 15,
    questions,
    ...(edns && { edns: { udpBytes, version: 0, dnssecOk: edns.dnssecOk, options } }),
  };
}

/** Explains a reply to the client, if it speaks EDNS. */
export function withExtendedErrors(reply: Message, errors: readonly ExtendedError[]): Message {
  if (!reply.edns || errors.length === 0) return reply;
  const more = errors.map(extendedError);
  return { ...reply, edns: { ...reply.edns, options: [...reply.edns.options, ...more] } };
}

export function extendedError({ code, text }: ExtendedError): EdnsOption {
  const data = Buffer.alloc(2 + Buffer.byteLength(text));
  data.writeUInt16BE(code, 0);
  data.write(text, 2, "utf8");
  return { code: extendedErrorOption, data };
}

/** The reply with no record kept longer than that. */
export function withTtlMax(reply: Message, ttlSecondsMax: number): Message {
  const capped = (records: readonly DnsRecord[]) =>
    records.map((each) => ({ ...each, ttlSeconds: Math.min(each.ttlSeconds, ttlSecondsMax) }));
  const { answers, authorities, additionals } = reply;
  return {
    ...reply,
    answers: capped(answers),
    authorities: capped(authorities),
    additionals: capped(additionals),
  };
}

export function replyBytesMax(query: Message, transport: Transport, facts: ReplyFacts): number {
  if (transport !== "udp") return messageBytesMax;
  if (!query.edns) return plainUdpBytesMax;
  return Math.max(plainUdpBytesMax, Math.min(query.edns.udpBytes, facts.udpBytesMax));
}

/** Why a query is not looked at further, as its response code; undefined if it is in order. */
export function refusal(query: Message, transport: Transport): number | undefined {
  if (query.opcode !== opcodeQuery) return rcodes.NOTIMP;
  if (query.edns && query.edns.version > 0) return rcodes.BADVERS;
  const cookie = firstOption(query, cookieOption);
  if (cookie && !isCookieLength(cookie.data.length)) return rcodes.FORMERR;
  const keepalive = firstOption(query, keepaliveOption);
  if (transport !== "udp" && keepalive && keepalive.data.length > 0) return rcodes.FORMERR;
  const question = soleQuestion(query);
  // RFC 7873 section 5.4: without a question, who only wants a cookie gets it.
  if (!question) return cookie && query.questions.length === 0 ? rcodes.NOERROR : rcodes.FORMERR;
  if (question.class !== classIn) return rcodes.REFUSED;
  if (question.type === typeNumbers.AXFR || question.type === typeNumbers.IXFR) return rcodes.NOTIMP;
  if (question.type === typeNumbers.OPT) return rcodes.FORMERR;
  return undefined;
}

export function soleQuestion(query: Message): Question | undefined {
  return query.questions.length === 1 ? query.questions[0] : undefined;
}

/** The first counts where an option may stand once only (RFC 7873 section 5.2). */
export function firstOption(message: Message, code: number): EdnsOption | undefined {
  return message.edns?.options.find((option) => option.code === code);
}
