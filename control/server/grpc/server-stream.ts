/**
 * One call of gRPC as the server sees it, on an HTTP/2 stream: messages come in, messages go out, and a status ends it.
 * Ten thousand sessions hang on these, so there is nothing in it but the stream: no emitter, no queue, no closure a message.
 *
 * Always holds: after `end` or `fail` nothing is written; `gone` is called once, last, however it ended. A message that
 * cannot be read, or names a node that the caller is not, ends the call with that error. Source: gRPC over HTTP/2.
 */
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { MethodDefinition } from "@grpc/grpc-js";
import { FabricError, isFabricError } from "../../../errors/index.ts";
import { encodeFrame, FrameReader } from "../../grpc-frames.ts";
import { toWireStatus } from "../../wire-error.ts";
import { assertItself, type Caller } from "./caller.ts";

export type ServedMethod<In, Out> = Pick<
  // biome-ignore lint/suspicious/noExplicitAny: bytes that were encoded before are for streams alone.
  MethodDefinition<In, Out | any>,
  "path" | "requestDeserialize" | "responseSerialize"
>;

export interface StreamReader<In> {
  message(message: In): void;
  /** The caller has said what it had to say. */
  ended(): void;
  /** It is over. */
  gone(): void;
}

export interface ServerStreamOptions<In, Out> {
  readonly http2: ServerHttp2Stream;
  readonly method: ServedMethod<In, Out>;
  readonly caller: Caller;
  readonly messageMaxBytes: number;
}

const responseHeaders = { ":status": 200, "content-type": "application/grpc" } as const;
/** How long a caller has to take the last word, and to end its half. */
const lastWordMs = 10_000;

export class ServerStream<In, Out> {
  readonly caller: Caller;
  readonly #http2: ServerHttp2Stream;
  readonly #method: ServedMethod<In, Out>;
  readonly #frames: FrameReader;
  #status: OutgoingHttpHeaders | undefined;
  #gone: AbortController | undefined;

  constructor({ http2, method, caller, messageMaxBytes }: ServerStreamOptions<In, Out>) {
    this.caller = caller;
    this.#http2 = http2;
    this.#method = method;
    this.#frames = new FrameReader(messageMaxBytes);
    http2.on("error", ignored);
  }

  /** Aborts when it is over. */
  get signal(): AbortSignal {
    if (!this.#gone) {
      const gone = new AbortController();
      this.#gone = gone;
      if (this.#http2.closed) gone.abort();
      else this.#http2.once("close", () => gone.abort());
    }
    return this.#gone.signal;
  }

  /** Messages as they come. Either this or `messages`. */
  read(reader: StreamReader<In>): void {
    const http2 = this.#http2;
    http2.on("data", (chunk: Buffer) => {
      try {
        for (const message of this.#messagesIn(chunk)) if (!this.#status) reader.message(message);
      } catch (error) {
        this.fail(error);
      }
    });
    http2.on("end", () => http2.aborted || reader.ended());
    http2.on("close", () => reader.gone());
  }

  /** Messages as they are asked for: the caller is slowed down to it. @throws when the caller goes, or what `read` fails with */
  async *messages(): AsyncGenerator<In, void> {
    for await (const chunk of this.#http2) yield* this.#messagesIn(chunk as Buffer);
  }

  /** `taken` is called when the transport has it. */
  write(message: Out, taken?: () => void): void {
    this.writeFrame(encodeFrame(this.#method.responseSerialize(message)), taken);
  }

  /** A message with its head, as many streams may share it. */
  writeFrame(frame: Uint8Array, taken?: () => void): void {
    if (this.#status || this.#http2.destroyed) return;
    if (!this.#http2.headersSent) this.#begin();
    this.#http2.write(frame, taken);
  }

  end(): void {
    this.#finish({ "grpc-status": 0 });
  }

  /** Ends it with an error, which is the same at the caller when it is a FabricError. */
  fail(error: unknown): void {
    const { code, details, metadata } = toWireStatus(error);
    this.#finish({ ...metadata.toHttp2Headers(), "grpc-status": code, "grpc-message": details });
  }

  *#messagesIn(chunk: Buffer): Generator<In, void> {
    for (const bytes of this.#frames.read(chunk)) {
      const message = this.#decode(bytes);
      assertItself(this.caller, message);
      yield message;
    }
  }

  #decode(bytes: Buffer): In {
    try {
      return this.#method.requestDeserialize(bytes);
    } catch (cause) {
      if (isFabricError(cause)) throw cause;
      throw new FabricError(
        "CONTROL_PROTOCOL",
        "read a message: it is not of this protocol; bring agent and server to the same release",
        { cause },
      );
    }
  }

  #begin(): void {
    this.#http2.respond(responseHeaders, { waitForTrailers: true });
    this.#http2.once("wantTrailers", () => this.#http2.sendTrailers(this.#status ?? {}));
  }

  #finish(status: OutgoingHttpHeaders): void {
    const http2 = this.#http2;
    if (this.#status || http2.destroyed) return;
    this.#status = status;
    if (http2.headersSent) http2.end();
    else http2.respond({ ...responseHeaders, ...status }, { endStream: true });
    if (!http2.readableEnded) http2.setTimeout(lastWordMs, () => http2.close(constants.NGHTTP2_NO_ERROR));
  }
}

/** `close` follows, and tells enough. */
function ignored(): void {}
