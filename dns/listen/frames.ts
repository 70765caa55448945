/**
 * Messages out of a TCP stream: each has its length in two bytes before it (RFC 1035 section 4.2.2). Holds at
 * most one incomplete message and never more than `messageBytesMax` of it.
 */
export class FrameReader {
  readonly #messageBytesMax: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** True between two messages. */
  get idle(): boolean {
    return this.#rest.length === 0;
  }

  /** The complete messages so far; undefined when the peer announces one that is empty or too large. */
  push(chunk: Buffer): Buffer[] | undefined {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    while (rest.length >= 2) {
      const length = rest.readUInt16BE(0);
      if (length === 0 || length > this.#messageBytesMax) return undefined;
      if (rest.length < 2 + length) break;
      messages.push(rest.subarray(2, 2 + length));
      rest = rest.subarray(2 + length);
    }
    this.#rest = rest;
    return messages;
  }
}

export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}
