/**
 * One call of gRPC on an HTTP/2 stream, as a duplex of messages: `end` after the server's word that all is well,
 * otherwise `error` with what it said (a FabricError that it sent is that error again). Half of what grpc-js takes for a
 * message, and it may be thrown away: whoever lost interest calls `cancel`. Source: gRPC over HTTP/2.
 */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { Duplex } from "node:stream";
import { Metadata, type MethodDefinition, type ServiceError, status } from "@grpc/grpc-js";
import { FabricError } from "../../errors/index.ts";
import { encodeFrame, FrameReader } from "../grpc-frames.ts";
import { fromServiceError } from "../wire-error.ts";

export type Method<Out, In> = Pick<
  // biome-ignore lint/suspicious/noExplicitAny: the other half of an answer's type is for servers.
  MethodDefinition<Out, In | any>,
  "path" | "requestSerialize" | "responseDeserialize"
>;

export interface GrpcStreamOptions<Out, In> {
  readonly http2: ClientHttp2Stream;
  readonly method: Pick<Method<Out, In>, "requestSerialize" | "responseDeserialize">;
  readonly messageMaxBytes: number;
  /** What is done, and by whom, in errors. */
  readonly action: string;
  readonly server: string;
}

/** Reset codes that tell more than that the server is gone. */
const statusOfReset: ReadonlyMap<number, status> = new Map([
  [constants.NGHTTP2_CANCEL, status.CANCELLED],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, status.RESOURCE_EXHAUSTED],
]);

export class GrpcStream<Out, In> extends Duplex {
  readonly #options: GrpcStreamOptions<Out, In>;
  readonly #http2: ClientHttp2Stream;
  readonly #reader: FrameReader;
  #headers: IncomingHttpHeaders | undefined;

  constructor(options: GrpcStreamOptions<Out, In>) {
    super({ objectMode: true, autoDestroy: true, emitClose: true });
    const { http2, messageMaxBytes } = options;
    this.#options = options;
    this.#http2 = http2;
    this.#reader = new FrameReader(messageMaxBytes);
    // Whoever cancelled does not listen any more.
    this.on("error", () => undefined);
    http2.on("response", (headers) => {
      this.#headers = headers;
    });
    http2.on("trailers", (headers) => {
      this.#headers = headers;
    });
    http2.on("data", (chunk: Buffer) => this.#receive(chunk));
    http2.on("end", () => this.#ended());
    http2.on("error", (error: Error) => this.#fail(status.UNAVAILABLE, error.message));
    http2.on("close", () => {
      const { rstCode = 0 } = http2;
      if (!this.readableEnded) this.#closed(rstCode);
    });
  }

  /** Ends both directions at once; a reader that still waits gets an error. */
  cancel(): void {
    this.#fail(status.CANCELLED, "it was cancelled");
  }

  override _write(message: Out, _encoding: string, done: (error?: Error | null) => void): void {
    const { method, messageMaxBytes, action } = this.#options;
    const bytes = method.requestSerialize(message);
    if (bytes.length > messageMaxBytes) {
      const why = `a message of ${bytes.length} bytes, at most ${messageMaxBytes}`;
      done(
        new FabricError("CONTROL_LIMIT", `${action}: ${why}; send less at a time`, {
          details: { limit: "messageMaxBytes", max: messageMaxBytes },
        }),
      );
      return;
    }
    this.#http2.write(encodeFrame(bytes), done);
  }

  override _final(done: () => void): void {
    this.#http2.end(done);
  }

  override _read(): void {
    this.#http2.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#http2.closed) this.#http2.close(constants.NGHTTP2_CANCEL);
    done(error);
  }

  #receive(chunk: Buffer): void {
    if (this.destroyed) return;
    try {
      for (const bytes of this.#reader.read(chunk))
        if (!this.push(this.#options.method.responseDeserialize(bytes))) this.#http2.pause();
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #ended(): void {
    const code = this.#headers?.["grpc-status"];
    if (code === undefined) this.#fail(status.UNAVAILABLE, `HTTP status ${this.#headers?.[":status"]}`);
    else if (Number(code) === status.OK) this.push(null);
    else this.#fail(Number(code), unquoted(String(this.#headers?.["grpc-message"] ?? "")));
  }

  /** Closed without a word at its end, or before that was read. */
  #closed(rstCode: number): void {
    if (this.#headers?.["grpc-status"] !== undefined && rstCode === constants.NGHTTP2_NO_ERROR) return;
    this.#fail(statusOfReset.get(rstCode) ?? status.UNAVAILABLE, `the stream ended with code ${rstCode}`);
  }

  #fail(code: status, details: string): void {
    if (this.destroyed) return;
    const { action, server } = this.#options;
    const metadata = Metadata.fromHttp2Headers(this.#headers ?? {});
    const error: ServiceError = Object.assign(new Error(details), { code, details, metadata });
    this.destroy(fromServiceError(error, action, server));
  }
}

/** gRPC quotes with per cent; what does not follow that is shown as it is. */
function unquoted(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
