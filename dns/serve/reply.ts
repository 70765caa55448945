/**
 * From a query to the frame of its reply: what is refused before anything is looked up, which bits are copied,
 * how large the reply may be (RFC 1035 section 4.1.1, RFC 6891 section 6.2.3, RFC 4035 section 3.1.6).
 */
import {
  classIn,
  type Edns,
  type EdnsOption,
  emptyMessage,
  extendedErrorOption,
  type Message,
  messageBytesMax,
  opcodeQuery,
  type Question,
  rcodes,
  typeNumbers,
} from "../wire/index.ts";

/** Without EDNS (RFC 1035 section 4.2.1). */
export const plainUdpBytesMax = 512;

export type Transport = "udp" | "tcp";

export interface ReplyFacts {
  /** RA: this server forwards for some clients. */
  readonly recursionAvailable: boolean;
  /** Largest UDP message that we send, and that we say we take. */
  readonly udpBytesMax: number;
}

/** The reply without records. OPT is there exactly if the query had it. */
export function replyTo(query: Message, facts: ReplyFacts, rcode: number): Message {
  return {
    ...emptyMessage,
    id: query.id,
    response: true,
    opcode: query.opcode,
    recursionDesired: query.recursionDesired,
    recursionAvailable: facts.recursionAvailable,
    checkingDisabled: query.checkingDisabled,
    rcode,
    questions: query.questions,
    ...(query.edns ? { edns: replyEdns(query.edns, facts) } : {}),
  };
}

/** Explains a failure to the client, if it speaks EDNS (RFC 8914). */
export function withExtendedError(reply: Message, infoCode: number, text: string): Message {
  if (!reply.edns) return reply;
  const data = Buffer.alloc(2 + Buffer.byteLength(text));
  data.writeUInt16BE(infoCode, 0);
  data.write(text, 2, "utf8");
  const option: EdnsOption = { code: extendedErrorOption, data };
  return { ...reply, edns: { ...reply.edns, options: [...reply.edns.options, option] } };
}

export function replyBytesMax(query: Message, transport: Transport, facts: ReplyFacts): number {
  if (transport === "tcp") return messageBytesMax;
  if (!query.edns) return plainUdpBytesMax;
  return Math.max(plainUdpBytesMax, Math.min(query.edns.udpBytes, facts.udpBytesMax));
}

/** Why a query is not looked at further, as its response code; undefined if it is in order. */
export function refusal(query: Message): number | undefined {
  if (query.opcode !== opcodeQuery) return rcodes.NOTIMP;
  if (query.edns && query.edns.version > 0) return rcodes.BADVERS;
  const question = soleQuestion(query);
  if (!question) return rcodes.FORMERR;
  if (question.class !== classIn) return rcodes.REFUSED;
  if (question.type === typeNumbers.AXFR || question.type === typeNumbers.IXFR) return rcodes.NOTIMP;
  if (question.type === typeNumbers.OPT) return rcodes.FORMERR;
  return undefined;
}

export function soleQuestion(query: Message): Question | undefined {
  return query.questions.length === 1 ? query.questions[0] : undefined;
}

function replyEdns(asked: Edns, facts: ReplyFacts): Edns {
  return { udpBytes: facts.udpBytesMax, version: 0, dnssecOk: asked.dnssecOk, options: [] };
}
