/**
 * Messages of gRPC in a stream of bytes: one byte that says whether it is compressed, four of length, the message.
 * Source: gRPC over HTTP/2, "Length-Prefixed-Message". Nothing is asked for compressed, so nothing is.
 *
 * Nearly every chunk is one whole message: nothing is kept of it then, as of thousands of connections it would outlive
 * the young generation.
 */
import { FabricError } from "../errors/index.ts";

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
    const whole = this.#joined(chunk);
    if (!whole) return [];
    const messages: Buffer[] = [];
    let at = 0;
    for (;;) {
      const leftBytes = whole.length - at;
      this.#wantedBytes = leftBytes < headerBytes ? headerBytes : headerBytes + this.#lengthAt(whole, at);
      if (leftBytes < this.#wantedBytes) break;
      messages.push(whole.subarray(at + headerBytes, at + this.#wantedBytes));
      at += this.#wantedBytes;
    }
    if (at < whole.length) this.#parts = [whole.subarray(at)];
    this.#bytes = whole.length - at;
    return messages;
  }

  /** What was kept and the chunk; undefined as long as it is not a message. */
  #joined(chunk: Buffer): Buffer | undefined {
    if (this.#bytes === 0) return chunk;
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wantedBytes) return undefined;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    return whole;
  }

  #lengthAt(bytes: Buffer, at: number): number {
    if (bytes[at] !== 0) {
      throw new FabricError(
        "CONTROL_PROTOCOL",
        "read a message: it is compressed; bring agent and server to the same release",
      );
    }
    const length = bytes.readUInt32BE(at + 1);
    if (length <= this.#messageMaxBytes) return length;
    throw new FabricError(
      "CONTROL_LIMIT",
      `read a message: it has ${length} bytes, at most ${this.#messageMaxBytes}; ask for less at a time`,
      { details: { limit: "messageMaxBytes", max: this.#messageMaxBytes } },
    );
  }
}
