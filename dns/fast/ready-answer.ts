/**
 * An answer made ready: the bytes that every reply to one question shares. A reply is the query's id and
 * question (in the query's own case), the RD and CD bits copied, the records, and OPT if the query had one.
 * Several answers are rotated by a random count, which needs them to be of equal length and without pointers
 * from one to another: so A and AAAA, and single records of any type.
 */
import { encodeMessage, headerBytes, type Message } from "../wire/index.ts";

export interface ReadyAnswer {
  /** Flag bytes 2 and 3 without RD and CD, three counts without OPT, then all records. */
  readonly body: Uint8Array;
  /** Answers to rotate, each of `strideBytes`; 0 or 1: nothing to rotate. */
  readonly rotateCount: number;
  readonly strideBytes: number;
}

/** Flags and three counts. */
export const bodyHeaderBytes = 8;
/** An OPT record without options. */
export const optBytes = 11;

/** The question's bytes in lower case, which is the table's key. */
export function questionKey(message: Message): Uint8Array {
  const question = encodeMessage({ ...message, answers: [], authorities: [], additionals: [] });
  const end = question.length - (message.edns ? ednsBytes(message) : 0);
  const key = new Uint8Array(question.subarray(headerBytes, end));
  for (const [i, byte] of key.entries()) if (byte >= 0x41 && byte <= 0x5a) key[i] = byte + 0x20;
  return key;
}

/** Undefined if the reply cannot be made ready. */
export function readyAnswer(reply: Message): ReadyAnswer | undefined {
  const { edns: _edns, ...plain } = reply;
  const count = reply.answers.length;
  const kinds = new Set(reply.answers.map(({ data }) => data.kind));
  const uniform = kinds.size === 1 && (kinds.has("A") || kinds.has("AAAA")) && reply.additionals.length === 0;
  if (count > 1 && !uniform) return undefined;
  const bytes = encodeMessage({ ...plain, recursionDesired: false, checkingDisabled: false });
  const questionEnd = encodeMessage({ ...plain, answers: [], authorities: [], additionals: [] }).length;
  const body = new Uint8Array(bodyHeaderBytes + bytes.length - questionEnd);
  body.set(bytes.subarray(2, 4), 0);
  body.set(bytes.subarray(6, headerBytes), 2);
  body.set(bytes.subarray(questionEnd), bodyHeaderBytes);
  const strideBytes = count > 1 ? (bytes.length - questionEnd) / count : 0;
  return { body, rotateCount: count > 1 ? count : 0, strideBytes };
}

function ednsBytes(message: Message): number {
  return message.edns ? message.edns.options.reduce((sum, { data }) => sum + 4 + data.length, optBytes) : 0;
}
