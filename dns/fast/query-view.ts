/**
 * Looks at a query in place, without making objects of it: is it of the plain kind that the table of ready
 * answers serves, and what is its key. Plain is: one question, no other records but at most one well-formed
 * OPT of version 0 with at most one well-formed cookie and without client subnet, no flags but RD, AD and CD. Everything else takes the
 * general path.
 *
 * The key is the question's bytes in lower case. Length bytes are below 64, so they survive lower-casing.
 */
import { isCookieLength } from "../serve/index.ts";
import { clientSubnetOption, cookieOption, headerBytes, nameBytesMax, typeNumbers } from "../wire/index.ts";

/** A larger query over UDP is cut by the kernel and dropped by us. */
export const queryBytesMax = 2048;

export class QueryView {
  /** From the start of the message to the end of the question. */
  questionEnd = 0;
  hash = 0;
  edns = false;
  udpBytes = 0;
  dnssecOk = false;
  /** 0: none. */
  cookieBytes = 0;
  /** In the bytes that were looked at. */
  cookieAt = 0;
}

const optBytesMin = 11;
const typeAndClassBytes = 4;

/** FNV-1a. The table holds names from the catalog only, so nobody outside chooses what collides. */
const hashStart = 0x811c9dc5;
const hashPrime = 0x01000193;

/** Fills `view`; false if the query is not plain. `bytes` may be longer than the message. */
export function viewQuery(bytes: Uint8Array, start: number, length: number, view: QueryView): boolean {
  if (length < headerBytes + 1 + typeAndClassBytes) return false;
  if ((byteAt(bytes, start + 2) & 0xfe) !== 0 || (byteAt(bytes, start + 3) & 0xcf) !== 0) return false;
  const additionals = byteAt(bytes, start + 11);
  const otherCounts =
    byteAt(bytes, start + 4) |
    byteAt(bytes, start + 6) |
    byteAt(bytes, start + 7) |
    byteAt(bytes, start + 8) |
    byteAt(bytes, start + 9) |
    byteAt(bytes, start + 10);
  if (byteAt(bytes, start + 5) !== 1 || otherCounts !== 0 || additionals > 1) return false;

  const end = start + length;
  const lastNameByte = end - 1 - typeAndClassBytes;
  let at = start + headerBytes;
  let hash = hashStart;
  for (let label = byteAt(bytes, at); label !== 0; label = byteAt(bytes, at)) {
    const next = at + label + 1;
    if (label > 63 || next > lastNameByte) return false;
    hash = Math.imul(hash ^ label, hashPrime);
    for (at++; at < next; at++) hash = Math.imul(hash ^ lower(byteAt(bytes, at)), hashPrime);
  }
  const typeAt = at + 1;
  if (typeAt - start - headerBytes > nameBytesMax) return false;
  const questionEnd = typeAt + typeAndClassBytes;
  for (; at < questionEnd; at++) hash = Math.imul(hash ^ lower(byteAt(bytes, at)), hashPrime);
  view.questionEnd = questionEnd - start;
  view.hash = hash;
  view.cookieBytes = 0;
  view.edns = additionals === 1;
  return view.edns ? viewOpt(bytes, questionEnd, end, view) : questionEnd === end;
}

export function hashQuestion(bytes: Uint8Array, from: number, to: number): number {
  let hash = hashStart;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ lower(byteAt(bytes, i)), hashPrime);
  return hash;
}

export function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

function viewOpt(bytes: Uint8Array, at: number, end: number, view: QueryView): boolean {
  if (at + optBytesMin > end || byteAt(bytes, at) !== 0) return false;
  if (byteAt(bytes, at + 1) !== 0 || byteAt(bytes, at + 2) !== typeNumbers.OPT) return false;
  if (byteAt(bytes, at + 6) !== 0) return false;
  view.udpBytes = (byteAt(bytes, at + 3) << 8) | byteAt(bytes, at + 4);
  view.dnssecOk = (byteAt(bytes, at + 7) & 0x80) !== 0;
  let option = at + optBytesMin;
  if (option + ((byteAt(bytes, at + 9) << 8) | byteAt(bytes, at + 10)) !== end) return false;
  while (option + 4 <= end) {
    const length = (byteAt(bytes, option + 2) << 8) | byteAt(bytes, option + 3);
    const code = (byteAt(bytes, option) << 8) | byteAt(bytes, option + 1);
    if (code === clientSubnetOption) return false;
    if (code === cookieOption) {
      if (view.cookieBytes !== 0 || !isCookieLength(length)) return false;
      view.cookieBytes = length;
      view.cookieAt = option + 4;
    }
    option += 4 + length;
  }
  return option === end;
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] as number;
}
