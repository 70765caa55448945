/** The body of one request on its way in: gathered up to a bound, or handed on as it comes. */
import type { BodyReader } from "./body-reader.ts";
import { BodyStream, type Flow } from "./body-stream.ts";

export interface IncomingBody {
  readonly state: BodyReader["state"] | "tooLarge";
  /** Answers how many of the bytes were of the body. */
  read(bytes: Buffer): number;
  /** It came to its end: hands on what was gathered. */
  end(): void;
  /** Its end will not come. */
  lose(reason: unknown): void;
}

export class GatheredBody implements IncomingBody {
  readonly #reader: BodyReader;
  readonly #bytesMax: number;
  readonly #whole: (bytes: Uint8Array) => void;
  readonly #parts: Buffer[] = [];
  #bytes = 0;

  constructor(reader: BodyReader, bytesMax: number, whole: (bytes: Uint8Array) => void) {
    this.#reader = reader;
    this.#bytesMax = bytesMax;
    this.#whole = whole;
  }

  get state(): IncomingBody["state"] {
    return this.#bytes > this.#bytesMax ? "tooLarge" : this.#reader.state;
  }

  read(bytes: Buffer): number {
    return this.#reader.read(bytes, (part) => {
      this.#bytes += part.length;
      if (this.#bytes <= this.#bytesMax) this.#parts.push(part);
    });
  }

  end(): void {
    const [first, ...others] = this.#parts;
    this.#whole(first && others.length === 0 ? first : Buffer.concat(this.#parts));
  }

  lose(): void {}
}

export class StreamedBody implements IncomingBody {
  readonly stream: BodyStream;
  readonly #reader: BodyReader;

  constructor(reader: BodyReader, flow: Flow) {
    this.#reader = reader;
    this.stream = new BodyStream(flow);
  }

  get state(): IncomingBody["state"] {
    return this.#reader.state;
  }

  read(bytes: Buffer): number {
    return this.#reader.read(bytes, (part) => this.stream.push(part));
  }

  end(): void {
    this.stream.end();
  }

  lose(reason: unknown): void {
    this.stream.fail(reason);
  }
}
