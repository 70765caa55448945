/**
 * Writes fields into a growing buffer and compresses names. Suffixes are matched with their case, because a
 * pointer would otherwise change the case of what it stands for. `rewind` takes back whole records, with the
 * compression targets in them: that is how truncation works.
 */
import { type Ip, ipToBytes } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import { messageBytesMax } from "./message.ts";
import { nameFromLabels, nameLabels } from "./name.ts";

/** A pointer has 14 bits. */
const pointerMax = 0x3fff;

export class Writer {
  offset = 0;
  #buffer = Buffer.allocUnsafe(512);
  readonly #suffixes = new Map<string, number>();

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.offset++] = value;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#buffer[this.offset++] = value >>> 8;
    this.#buffer[this.offset++] = value;
  }

  u32(value: number): void {
    this.u16(Math.floor(value / 0x10000));
    this.u16(value % 0x10000);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.offset);
    this.offset += value.length;
  }

  latin1(text: string): void {
    this.#reserve(text.length);
    this.#buffer.write(text, this.offset, "latin1");
    this.offset += text.length;
  }

  ip(address: Ip): void {
    this.bytes(ipToBytes(address));
  }

  /** A character-string: length byte and at most 255 bytes. @throws DNS_MESSAGE_TOO_LARGE */
  text(text: string): void {
    if (text.length > 255) {
      throw new FabricError(
        "DNS_MESSAGE_TOO_LARGE",
        `write a text of ${text.length} bytes: 255 at most; split it`,
      );
    }
    this.u8(text.length);
    this.latin1(text);
  }

  /** Every written name is a target for later ones; `compress` tells whether this one may be a pointer. */
  name(name: string, compress: boolean): void {
    const labels = nameLabels(name);
    let rest = name;
    for (const [i, label] of labels.entries()) {
      const known = this.#suffixes.get(rest);
      if (known !== undefined && compress) {
        this.u16(0xc000 | known);
        return;
      }
      if (known === undefined && this.offset <= pointerMax) this.#suffixes.set(rest, this.offset);
      this.u8(label.length);
      this.latin1(label);
      rest = name.includes("\\") ? nameFromLabels(labels.slice(i + 1)) : rest.slice(label.length + 1);
    }
    this.u8(0);
  }

  /** Fills a 16-bit field that was written before its value was known. */
  patchU16(at: number, value: number): void {
    this.#buffer.writeUInt16BE(value, at);
  }

  /** Forgets everything from `offset` on. */
  rewind(offset: number): void {
    this.offset = offset;
    for (const [suffix, at] of this.#suffixes) if (at >= offset) this.#suffixes.delete(suffix);
  }

  /** @throws DNS_MESSAGE_TOO_LARGE */
  finish(): Uint8Array {
    if (this.offset > messageBytesMax) {
      throw new FabricError(
        "DNS_MESSAGE_TOO_LARGE",
        `write a DNS message of ${this.offset} bytes: ${messageBytesMax} at most; set a limit so that it is truncated`,
      );
    }
    return this.#buffer.subarray(0, this.offset);
  }

  #reserve(length: number): void {
    if (this.offset + length <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.offset + length));
    this.#buffer.copy(larger, 0, 0, this.offset);
    this.#buffer = larger;
  }
}
