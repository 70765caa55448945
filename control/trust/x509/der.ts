/**
 * DER (ITU-T X.690), as much of it as certificates and signing requests are made of: one-byte tags, definite lengths. What is
 * read comes from strangers: it is taken only in the one form that DER allows, and nothing is read twice or beyond its end.
 */
import { FabricError } from "../../../errors/index.ts";

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One value: its tag, what is in it, and both with the length between them. */
export interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

export function encode(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.of(tag, ...lengthOf(bytes)), ...parts]);
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return encode(tags.sequence, ...parts);
}

/** `[number]` of a choice or an optional part; `isWhole` when it holds elements of its own. */
export function context(number: number, content: Uint8Array, isWhole = false): Uint8Array {
  return encode(contextTag(number, isWhole), content);
}

export function contextTag(number: number, isWhole: boolean): number {
  return (isWhole ? 0xa0 : 0x80) | number;
}

export function octets(content: Uint8Array): Uint8Array {
  return encode(tags.octetString, content);
}

/** `unused`: bits at the end that do not count. */
export function bits(content: Uint8Array, unused = 0): Uint8Array {
  return encode(tags.bitString, Buffer.of(unused), content);
}

/** Not negative, most significant byte first. */
export function integer(value: Uint8Array): Uint8Array {
  const first = value.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Buffer.of(0) : value.subarray(first);
  return encode(tags.integer, (digits[0] ?? 0) > 0x7f ? Buffer.of(0) : Buffer.of(), digits);
}

/** As in `2.5.29.15`. */
export function oid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  return encode(tags.oid, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
}

export function utf8(text: string): Uint8Array {
  return encode(tags.utf8String, Buffer.from(text));
}

/** In the form that its year demands (RFC 5280 section 4.1.2.5); milliseconds are cut off. */
export function time(ms: number): Uint8Array {
  const digits = `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;
  const year = Number(digits.slice(0, 4));
  return year >= 1950 && year < 2050
    ? encode(tags.utcTime, Buffer.from(digits.slice(2)))
    : encode(tags.generalizedTime, Buffer.from(digits));
}

/** Elements one after another, to the last byte. @throws CONTROL_REQUEST_INVALID */
export function readAll(bytes: Uint8Array): readonly Element[] {
  const elements: Element[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const element = readFirst(rest);
    elements.push(element);
    rest = rest.subarray(element.whole.length);
  }
  return elements;
}

/** What is in the one element of this tag that the bytes are. @throws CONTROL_REQUEST_INVALID */
export function readOnly(bytes: Uint8Array, tag: number): readonly Element[] {
  const [element, ...more] = readAll(bytes);
  if (element?.tag !== tag || more.length > 0) throw notDer("another element was expected");
  return readAll(element.content);
}

/** A bit string of whole bytes. @throws CONTROL_REQUEST_INVALID */
export function readBits(element: Element | undefined): Uint8Array {
  if (element?.tag !== tags.bitString || element.content[0] !== 0) throw notDer("a bit string was expected");
  return element.content.subarray(1);
}

function readFirst(bytes: Uint8Array): Element {
  const [tag = 0, first = 0] = bytes;
  if ((tag & 0x1f) === 0x1f) throw notDer("a tag is longer than any that is used");
  const count = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || count > lengthBytesMax) throw notDer("a length is not of a form that is used");
  const start = 2 + count;
  const length = count === 0 ? first : bytes.subarray(2, start).reduce((sum, byte) => sum * 256 + byte, 0);
  if (bytes.length < start + length) throw notDer("it ends too early");
  if (lengthOf(length).length !== 1 + count) throw notDer("a length is longer than it needs to be");
  const whole = bytes.subarray(0, start + length);
  return { tag, content: whole.subarray(start), whole };
}

const lengthBytesMax = 3;

function lengthOf(bytes: number): readonly number[] {
  if (bytes < 0x80) return [bytes];
  const digits: number[] = [];
  for (let left = bytes; left > 0; left = Math.floor(left / 256)) digits.unshift(left % 256);
  return [0x80 | digits.length, ...digits];
}

function base128(value: number): readonly number[] {
  const digits = [value % 128];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
    digits.unshift(0x80 | (left % 128));
  return digits;
}

function notDer(why: string): FabricError {
  return new FabricError(
    "CONTROL_REQUEST_INVALID",
    `read a certificate or a request for one: ${why}; bring agent and server to the same release`,
  );
}
