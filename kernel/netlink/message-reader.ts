/**
 * Reads netlink messages and their attributes. Every length is checked against what is there before it is
 * used, each step goes forward, and whatever does not add up is KERNEL_BAD_MESSAGE: bytes can neither hang
 * the reader nor make it look beyond its buffer.
 */
import { FabricError } from "../../errors/index.ts";
import { ackMessageAttribute, flag, messageType } from "./constants.ts";

const headerLength = 16;
const attributeHeaderLength = 4;
/** Strips NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const attributeTypeMask = 0x3fff;

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Who asked, in a notification too: the port of the socket that made the change. */
  readonly port: number;
  /** All after the header. */
  readonly body: Buffer;
}

/**
 * Attributes of one message, all of whose lengths are right. A value is looked for when it is asked for: a
 * dump of 10,000 rows has ten times as many, and most are of no interest.
 */
export class Attributes {
  readonly #body: Buffer;
  readonly #start: number;

  /** @throws KERNEL_BAD_MESSAGE */
  constructor(body: Buffer, start: number) {
    this.#body = body;
    this.#start = start;
    for (let at = start; at + attributeHeaderLength <= body.length; at += align(body.readUInt16LE(at))) {
      const length = body.readUInt16LE(at);
      if (length < attributeHeaderLength || length > body.length - at)
        throw bad("an attribute", at, body.length);
    }
  }

  /** The last one of the type. */
  get(type: number): Buffer | undefined {
    const body = this.#body;
    let found = -1;
    for (let at = this.#start; at + attributeHeaderLength <= body.length; at += align(body.readUInt16LE(at)))
      if ((body.readUInt16LE(at + 2) & attributeTypeMask) === type) found = at;
    return found < 0
      ? undefined
      : body.subarray(found + attributeHeaderLength, found + body.readUInt16LE(found));
  }
}

/** @throws KERNEL_BAD_MESSAGE */
export function* readMessages(bytes: Uint8Array): Generator<NetlinkMessage> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at < buffer.length) {
    const length = at + headerLength <= buffer.length ? buffer.readUInt32LE(at) : 0;
    if (length < headerLength || length > buffer.length - at) throw bad("a message", at, buffer.length);
    yield {
      type: buffer.readUInt16LE(at + 4),
      flags: buffer.readUInt16LE(at + 6),
      sequence: buffer.readUInt32LE(at + 8),
      port: buffer.readUInt32LE(at + 12),
      body: buffer.subarray(at + headerLength, at + length),
    };
    at += align(length);
  }
}

/** Attributes of a body that starts with a fixed part of `fixedLength` bytes. @throws KERNEL_BAD_MESSAGE */
export function readAttributes(body: Buffer, fixedLength: number): Attributes {
  if (body.length < fixedLength) throw bad("a header", fixedLength, body.length);
  return new Attributes(body, align(fixedLength));
}

/** @throws KERNEL_BAD_MESSAGE when the attribute is too short */
export function readU32(attributes: Attributes, type: number): number | undefined {
  return numberOf(attributes, type, 4, (value) => value.readUInt32LE());
}

export function readU8(attributes: Attributes, type: number): number | undefined {
  return numberOf(attributes, type, 1, (value) => value.readUInt8());
}

/** In network byte order. */
export function readPort(attributes: Attributes, type: number): number | undefined {
  return numberOf(attributes, type, 2, (value) => value.readUInt16BE());
}

/** Text up to its closing zero. */
export function readText(attributes: Attributes, type: number): string | undefined {
  const value = attributes.get(type);
  if (!value) return undefined;
  const end = value.indexOf(0);
  return value.toString("utf8", 0, end < 0 ? value.length : end);
}

function numberOf(
  attributes: Attributes,
  type: number,
  length: number,
  read: (value: Buffer) => number,
): number | undefined {
  const value = attributes.get(type);
  if (!value) return undefined;
  if (value.length < length) throw bad(`attribute ${type}`, 0, value.length);
  return read(value);
}

/** What NLMSG_ERROR and NLMSG_DONE say. */
export interface Verdict {
  /** 0 for done. */
  readonly errno: number;
  /** The kernel's sentence (NETLINK_EXT_ACK). */
  readonly sentence?: string;
}

/** @throws KERNEL_BAD_MESSAGE */
export function readVerdict({ type, flags, body }: NetlinkMessage): Verdict {
  if (body.length < 4) {
    if (type === messageType.done) return { errno: 0 };
    throw bad("a verdict", 0, body.length);
  }
  const errno = -body.readInt32LE(0);
  if (!(flags & flag.ackAttributes)) return { errno };
  const fixedLength = type === messageType.error ? errorLength(flags, body) : 4;
  const sentence = readText(readAttributes(body, fixedLength), ackMessageAttribute);
  return sentence === undefined ? { errno } : { errno, sentence };
}

/** The error is followed by the header of the request, and by the rest of it unless that was capped. */
function errorLength(flags: number, body: Buffer): number {
  if (flags & flag.capped) return 4 + headerLength;
  if (body.length < 4 + headerLength) throw bad("a verdict", 0, body.length);
  return 4 + Math.max(headerLength, body.readUInt32LE(4));
}

function align(length: number): number {
  return (length + 3) & ~3;
}

export function badMessage(what: string, why: string): FabricError {
  return new FabricError(
    "KERNEL_BAD_MESSAGE",
    `read ${what} of a netlink message: ${why}; is this Linux older than 5.10?`,
  );
}

function bad(what: string, at: number, length: number): FabricError {
  return badMessage(what, `its length does not fit (at ${at} of ${length} bytes)`);
}
