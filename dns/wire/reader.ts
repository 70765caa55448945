/**
 * Reads fields from a message that anybody may have sent. Always holds: no read leaves the bytes; a
 * compression pointer points before the name it stands in and before the pointer that led to it, so a chain
 * ends; a name has at most 255 bytes. So one name costs at most 255 bytes of work and 127 jumps.
 */
import { type Ipv4, type Ipv6, ipFromBytes } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import { escapeLabel, nameBytesMax } from "./name.ts";

export class Reader {
  readonly bytes: Uint8Array;
  offset: number;
  /** Reads stop here: the end of the message, or of the record data being read. */
  end: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = bytes.length;
  }

  u8(): number {
    return this.bytes[this.#advance(1)] ?? 0;
  }

  u16(): number {
    const at = this.#advance(2);
    return ((this.bytes[at] ?? 0) << 8) | (this.bytes[at + 1] ?? 0);
  }

  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }

  /** A copy, so that a kept record does not keep its whole datagram. */
  take(length: number): Uint8Array {
    const at = this.#advance(length);
    return new Uint8Array(this.bytes.subarray(at, at + length));
  }

  latin1(length: number): string {
    const at = this.#advance(length);
    let text = "";
    for (let i = at; i < at + length; i++) text += String.fromCharCode(this.bytes[i] ?? 0);
    return text;
  }

  ipv4(): Ipv4 {
    return ipFromBytes(this.take(4)) as Ipv4;
  }

  ipv6(): Ipv6 {
    return ipFromBytes(this.take(16)) as Ipv6;
  }

  /** A name, its compression followed (RFC 1035 section 4.1.4). */
  name(): string {
    const labels: string[] = [];
    let at = this.offset;
    let limit = this.end;
    let segmentStart = at;
    let jumped = false;
    let length = 1;
    for (;;) {
      if (at >= limit) throw this.malformed("a name runs past the end");
      const head = this.bytes[at] ?? 0;
      if (head === 0) break;
      if (head >= 0xc0) {
        if (at + 1 >= limit) throw this.malformed("a compression pointer runs past the end");
        const target = ((head & 0x3f) << 8) | (this.bytes[at + 1] ?? 0);
        if (target >= segmentStart) throw this.malformed("a compression pointer does not point back");
        if (!jumped) this.offset = at + 2;
        jumped = true;
        limit = segmentStart;
        segmentStart = target;
        at = target;
        continue;
      }
      if (head > 63) throw this.malformed("a label has a type that is not in use");
      if (at + 1 + head > limit) throw this.malformed("a label runs past the end");
      length += head + 1;
      if (length > nameBytesMax) throw this.malformed(`a name is longer than ${nameBytesMax} bytes`);
      let label = "";
      for (let i = at + 1; i <= at + head; i++) label += String.fromCharCode(this.bytes[i] ?? 0);
      labels.push(escapeLabel(label));
      at += head + 1;
    }
    if (!jumped) this.offset = at + 1;
    return labels.join(".");
  }

  malformed(why: string): FabricError {
    return new FabricError("DNS_MALFORMED", `read DNS message at byte ${this.offset}: ${why}`);
  }

  #advance(length: number): number {
    const at = this.offset;
    if (at + length > this.end) throw this.malformed("a field runs past the end");
    this.offset = at + length;
    return at;
  }
}
