/**
 * Writes netlink messages, many into one buffer, so that a batch is one send(2). Fields are in the host's
 * byte order, which is little-endian on every machine Node 24 runs Linux on but s390x; `openKernel` checks.
 * The buffer grows up to `bufferMaxBytes`; a batch is sent long before.
 */
import { FabricError } from "../../errors/index.ts";

const headerLength = 16;
const startBytes = 64 * 1024;
/** A single message is never near this; it bounds what hostile names could do. */
export const bufferMaxBytes = 1024 * 1024;

export class MessageWriter {
  #bytes = Buffer.alloc(startBytes);
  #length = 0;
  #messageAt = 0;

  get length(): number {
    return this.#length;
  }

  /** The messages written so far; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
  }

  begin(type: number, flags: number, sequence: number): this {
    this.#messageAt = this.#length;
    return this.u32(0).u16(type).u16(flags).u32(sequence).u32(0);
  }

  /** Closes the message that `begin` opened. */
  end(): void {
    this.#bytes.writeUInt32LE(this.#length - this.#messageAt, this.#messageAt);
  }

  /** Takes the message that `begin` opened back. */
  drop(): void {
    this.#length = this.#messageAt;
  }

  /** Adds a flag to the last message. */
  flag(flags: number): void {
    const at = this.#messageAt + 6;
    this.#bytes.writeUInt16LE(this.#bytes.readUInt16LE(at) | flags, at);
  }

  u8(value: number): this {
    const at = this.#take(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#take(2);
    this.#bytes.writeUInt16LE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#take(4);
    this.#bytes.writeUInt32LE(value >>> 0, at);
    return this;
  }

  zeros(count: number): this {
    const at = this.#take(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  /** An attribute: length, type, value, padding to four bytes. */
  attribute(type: number, value: Uint8Array): this {
    this.u16(4 + value.length).u16(type);
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
    return this.zeros(-this.#length & 3);
  }

  attributeU8(type: number, value: number): this {
    return this.u16(5).u16(type).u8(value).zeros(3);
  }

  attributeU32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  /** In network byte order, as ports are. */
  attributePort(type: number, port: number): this {
    return this.u16(6)
      .u16(type)
      .u8(port >> 8)
      .u8(port & 0xff)
      .zeros(2);
  }

  /** Text with a closing zero. */
  attributeText(type: number, text: string): this {
    return this.attribute(type, Buffer.from(`${text}\0`));
  }

  /** An attribute whose value `write` writes. */
  nest(type: number, write: () => void): this {
    const at = this.#length;
    this.u16(0).u16(type);
    write();
    this.#bytes.writeUInt16LE(this.#length - at, at);
    return this;
  }

  /** Room for `count` bytes; the buffer may be another one afterwards. */
  #take(count: number): number {
    const at = this.#length;
    if (at + count > this.#bytes.length) this.#grow(at + count);
    this.#length = at + count;
    return at;
  }

  #grow(needed: number): void {
    if (needed > bufferMaxBytes) {
      throw new FabricError(
        "KERNEL_BAD_MESSAGE",
        `write a netlink message of ${needed} bytes: the limit is ${bufferMaxBytes}; shorten its names`,
      );
    }
    const larger = Buffer.alloc(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

export const messageHeaderLength = headerLength;
