/** The body of an upload, handed on as it comes. What its reader has not taken stops the connection from being read. */
import type { ByteStream } from "../request.ts";

/** Beyond that the connection is not read. */
const waitingBytesMax = 64 * 1024;

/** Of the connection. */
export interface Flow {
  pause(): void;
  resume(): void;
}

export class BodyStream implements ByteStream {
  readonly #flow: Flow;
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  #isWhole = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  push(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes > waitingBytesMax) this.#flow.pause();
    this.#wake?.();
  }

  end(): void {
    this.#isWhole = true;
    this.#wake?.();
  }

  /** After what has come already the reader gets this error. */
  fail(reason: unknown): void {
    if (this.#isWhole) return;
    this.#failure = reason;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const part = this.#parts.shift();
      if (part) {
        this.#bytes -= part.length;
        if (this.#bytes <= waitingBytesMax) this.#flow.resume();
        yield part;
      } else if (this.#failure !== undefined) throw this.#failure;
      else if (this.#isWhole) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
