/**
 * How a ready answer is rotated. As 16-bit numbers, all counted from the first record's first byte:
 *
 *   where each answer begins, and where the last one ends        rotateCount + 1 numbers
 *   the answers in their fixed order, which decides what a small reply has        rotateCount numbers
 *   for each pointer of an additional record's name into the answers: where the pointer stands, how many answers
 *   have that name, and where in each of them, in ascending order
 *
 * Of several answers with the same name the encoder points to the one that it wrote first, so the pointer moves to
 * the first of them from the place where the rotation begins. With that a rotated reply is, byte for byte, what
 * `encodeMessage` makes of the rotated message.
 */
import { fixedOrder } from "../serve/index.ts";
import type { Message } from "../wire/index.ts";

const pointerBits = 0xc000;
const pointerMax = 0x3fff;
const fixedRecordBytes = 10;
const srvTargetAt = 6;

/** Undefined if the answers cannot be rotated. @param bytes the reply without OPT */
export function findTurn(reply: Message, bytes: Uint8Array, questionEnd: number): Uint8Array | undefined {
  const kinds = new Set(reply.answers.map(({ data }) => data.kind));
  const [kind] = kinds;
  const rotates = kinds.size === 1 && (kind === "A" || kind === "AAAA" || kind === "SRV");
  const plainRest = reply.additionals.every(({ data }) => data.kind === "A" || data.kind === "AAAA");
  if (!rotates || !plainRest || reply.authorities.length > 0 || bytes.length > pointerMax) return undefined;

  const numbers: number[] = [];
  const namesAt = new Map<string, number[]>();
  let at = questionEnd;
  for (let i = 0; i < reply.answers.length; i++) {
    numbers.push(at - questionEnd);
    const owner = skipName(bytes, at);
    if (owner.pointer >= questionEnd) return undefined;
    const data = owner.end + fixedRecordBytes;
    const end = data + u16(bytes, data - 2);
    if (kind === "SRV") noteSuffixes(bytes, data + srvTargetAt, end, questionEnd, namesAt);
    at = end;
  }
  const answersEnd = at;
  numbers.push(answersEnd - questionEnd, ...fixedOrder(reply.answers));
  for (let i = 0; i < reply.additionals.length; i++) {
    const { pointer, end } = skipName(bytes, at);
    if (pointer >= questionEnd && pointer < answersEnd) {
      const places = namesAt.get(suffixText(bytes, pointer));
      if (!places) return undefined;
      numbers.push(end - 2 - questionEnd, places.length, ...places);
    }
    at = nextRecord(bytes, at);
  }
  const turn = Buffer.alloc(numbers.length * 2);
  for (const [i, number] of numbers.entries()) turn.writeUInt16BE(number, i * 2);
  return new Uint8Array(turn);
}

/** Copies the first `recordBytes` with the answers turned so that answer `first` leads, and moves the pointers. */
export function writeTurned(
  from: Uint8Array,
  recordsAt: number,
  recordBytes: number,
  turnAt: number,
  turnBytes: number,
  rotateCount: number,
  first: number,
  out: Uint8Array,
  outAt: number,
  questionEnd: number,
): void {
  const cut = u16(from, turnAt + first * 2);
  const answersEnd = u16(from, turnAt + rotateCount * 2);
  copy(from, recordsAt + cut, answersEnd - cut, out, outAt);
  copy(from, recordsAt, cut, out, outAt + answersEnd - cut);
  copy(from, recordsAt + answersEnd, recordBytes - answersEnd, out, outAt + answersEnd);
  let at = turnAt + rotateCount * 4 + 2;
  const end = turnAt + turnBytes;
  while (at < end) {
    const pointerAt = outAt + u16(from, at);
    if (pointerAt >= outAt + recordBytes) return;
    const places = u16(from, at + 2);
    let place = u16(from, at + 4);
    for (let i = 0; i < places; i++) {
      const next = u16(from, at + 4 + i * 2);
      if (next < cut) continue;
      place = next;
      break;
    }
    const moved = place >= cut ? place - cut : place + answersEnd - cut;
    const pointer = pointerBits | (questionEnd + moved);
    out[pointerAt] = pointer >> 8;
    out[pointerAt + 1] = pointer;
    at += 4 + places * 2;
  }
}

/** A loop beats a call into the runtime for what most replies have. */
export function copy(from: Uint8Array, at: number, length: number, to: Uint8Array, toAt: number): void {
  if (length > 160) to.set(from.subarray(at, at + length), toAt);
  else for (let i = 0; i < length; i++) to[toAt + i] = from[at + i] as number;
}

/** Where the record that begins there ends. */
export function nextRecord(bytes: Uint8Array, at: number): number {
  const data = skipName(bytes, at).end + fixedRecordBytes;
  return data + u16(bytes, data - 2);
}

/** The end of a name in our own bytes, and where its pointer leads; -1 if it has none. */
function skipName(bytes: Uint8Array, at: number): { readonly end: number; readonly pointer: number } {
  for (;;) {
    const head = bytes[at] as number;
    if (head === 0) return { end: at + 1, pointer: -1 };
    if (head >= 0xc0) return { end: at + 2, pointer: u16(bytes, at) & pointerMax };
    at += head + 1;
  }
}

/** Where each suffix of an uncompressed name stands, by its text. */
function noteSuffixes(
  bytes: Uint8Array,
  from: number,
  end: number,
  questionEnd: number,
  namesAt: Map<string, number[]>,
): void {
  for (let at = from; at < end - 1; at += (bytes[at] as number) + 1) {
    const text = Buffer.from(bytes.subarray(at, end)).toString("latin1");
    const places = namesAt.get(text);
    if (places) places.push(at - questionEnd);
    else namesAt.set(text, [at - questionEnd]);
  }
}

function suffixText(bytes: Uint8Array, at: number): string {
  return Buffer.from(bytes.subarray(at, skipName(bytes, at).end)).toString("latin1");
}

export function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
