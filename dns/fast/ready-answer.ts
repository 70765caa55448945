/**
 * An answer made ready: the bytes that every reply to one question shares. A reply is the query's id and
 * question (in the query's own case), the RD and CD bits copied, the records, and OPT if the query had one.
 * Several answers (A, AAAA or SRV) are rotated by a random count. Their records need not be of equal length, and
 * names of additional records may point into them: `turn` says where each answer begins and which pointers move.
 */
import { fixedOrder } from "../serve/index.ts";
import { type DnsRecord, decodeMessage, encodeMessage, headerBytes, type Message } from "../wire/index.ts";
import { findTurn } from "./turn.ts";

export interface ReadyAnswer {
  /** Flag bytes 2 and 3 without RD and CD, three counts without OPT, then all records. */
  readonly body: Uint8Array;
  /** Answers to rotate; 0: nothing to rotate. */
  readonly rotateCount: number;
  /** How to rotate them (turn.ts); empty if there is nothing to rotate. */
  readonly turn: Uint8Array;
}

/** Flags and three counts. */
export const bodyHeaderBytes = 8;
/** TC in the first byte of the body: not even the largest reply has all answers. */
export const truncatedBit = 0x02;
/** An OPT record without options. */
export const optBytes = 11;

const noTurn = new Uint8Array(0);

/** The question's bytes in lower case, which is the table's key. */
export function questionKey(message: Message): Uint8Array {
  const question = encodeMessage({ ...message, answers: [], authorities: [], additionals: [] });
  const end = question.length - (message.edns ? ednsBytes(message) : 0);
  const key = new Uint8Array(question.subarray(headerBytes, end));
  for (const [i, byte] of key.entries()) if (byte >= 0x41 && byte <= 0x5a) key[i] = byte + 0x20;
  return key;
}

/**
 * Undefined if the reply cannot be made ready. Of one that no client takes whole, what the one who takes most gets.
 * @param bytesMax of a reply
 */
export function readyAnswer(reply: Message, bytesMax: number): ReadyAnswer | undefined {
  const { edns: _edns, ...plain } = { ...reply, recursionDesired: false, checkingDisabled: false };
  const part = partWithin(plain, bytesMax);
  const count = part.answers.length;
  const bytes = encodeMessage(part);
  const questionEnd = encodeMessage({ ...part, answers: [], authorities: [], additionals: [] }).length;
  const turn = count > 1 ? findTurn(part, bytes, questionEnd) : noTurn;
  if (!turn) return undefined;
  const body = new Uint8Array(bodyHeaderBytes + bytes.length - questionEnd);
  body.set(bytes.subarray(2, 4), 0);
  body.set(bytes.subarray(6, headerBytes), 2);
  body.set(bytes.subarray(questionEnd), bodyHeaderBytes);
  return { body, rotateCount: count > 1 ? count : 0, turn };
}

function partWithin(reply: Message, bytesMax: number): Message {
  if (encodeMessage(reply).length <= bytesMax) return reply;
  const ordered = fixedOrder(reply.answers).map((i) => reply.answers[i] as DnsRecord);
  const fitting = decodeMessage(encodeMessage({ ...reply, answers: ordered }, bytesMax));
  if (!fitting.truncated)
    return { ...reply, additionals: reply.additionals.slice(0, fitting.additionals.length) };
  const answers = ordered.slice(0, fitting.answers.length);
  return { ...reply, answers, authorities: [], additionals: [], truncated: true };
}

function ednsBytes(message: Message): number {
  return message.edns ? message.edns.options.reduce((sum, { data }) => sum + 4 + data.length, optBytes) : 0;
}
