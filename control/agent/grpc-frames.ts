/**
 * Messages of gRPC in a stream of bytes: one byte that says whether it is compressed, four of length, the message.
 * Source: gRPC over HTTP/2, "Length-Prefixed-Message". Nothing is asked for compressed, so nothing is.
 */
import { FabricError } from "../../errors/index.ts";

const headerBytes = 5;

export function encodeFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, headerBytes);
  return frame;
}

/** Cuts chunks into messages. What is not whole yet is kept as it came and copied once. */
export class FrameReader {
  readonly #messageMaxBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;
  #wantedBytes = headerBytes;

  constructor(messageMaxBytes: number) {
    this.#messageMaxBytes = messageMaxBytes;
  }

  /** @throws CONTROL_LIMIT, CONTROL_PROTOCOL */
  read(chunk: Buffer): readonly Buffer[] {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wantedBytes) return [];
    const whole = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts);
    const messages: Buffer[] = [];
    let at = 0;
    for (;;) {
      const leftBytes = whole.length - at;
      this.#wantedBytes = leftBytes < headerBytes ? headerBytes : headerBytes + this.#lengthAt(whole, at);
      if (leftBytes < this.#wantedBytes) break;
      messages.push(whole.subarray(at + headerBytes, at + this.#wantedBytes));
      at += this.#wantedBytes;
    }
    this.#parts = at === whole.length ? [] : [whole.subarray(at)];
    this.#bytes = whole.length - at;
    return messages;
  }

  #lengthAt(bytes: Buffer, at: number): number {
    if (bytes[at] !== 0) {
      throw new FabricError(
        "CONTROL_PROTOCOL",
        "read an answer: the server compressed it; bring agent and server to the same release",
      );
    }
    const length = bytes.readUInt32BE(at + 1);
    if (length <= this.#messageMaxBytes) return length;
    throw new FabricError(
      "CONTROL_LIMIT",
      `read an answer: a message of ${length} bytes, at most ${this.#messageMaxBytes}; ask for less at a time`,
      { details: { limit: "messageMaxBytes", max: this.#messageMaxBytes } },
    );
  }
}
