/**
 * A request as the listener hands it on. What tells that nobody waits for the answer any more is made by hand, and
 * only where it is asked for: a signal costs more than the rest of a request that waits.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FabricError } from "../errors/index.ts";
import type { ApiRequest, ByteStream } from "./request.ts";

export const noBody = new Uint8Array(0);

/** What the requests of one listener share. */
export interface Closing {
  /** Once it closes. */
  reason: FabricError | undefined;
  /** Of requests under way that want to know. */
  readonly waiting: Set<(reason: unknown) => void>;
}

export class IncomingRequest implements ApiRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: ApiRequest["headers"];
  body: Uint8Array;
  readonly upload?: ByteStream;
  readonly #response: ServerResponse;
  readonly #closing: Closing;
  #signal: AbortSignal | undefined;

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    body: Uint8Array,
    upload: boolean,
    closing: Closing,
  ) {
    this.method = message.method ?? "GET";
    this.target = message.url ?? "/";
    this.headers = message.headers;
    this.body = body;
    // Whoever reads only a part of it still has a connection to answer on.
    if (upload) this.upload = message.iterator({ destroyOnReturn: false }) as ByteStream;
    this.#response = response;
    this.#closing = closing;
  }

  get remote(): string {
    return this.#response.socket?.remoteAddress ?? "";
  }

  get signal(): AbortSignal {
    if (!this.#signal) {
      const left = new AbortController();
      this.#signal = left.signal;
      this.#whenLeft((reason) => left.abort(reason));
    }
    return this.#signal;
  }

  park(left: (reason: unknown) => void): void {
    this.#response.req.rawHeaders = [];
    this.body = noBody;
    this.#whenLeft(left);
  }

  #whenLeft(left: (reason: unknown) => void): void {
    const { reason, waiting } = this.#closing;
    if (reason || this.#response.destroyed) {
      left(reason);
      return;
    }
    waiting.add(left);
    this.#response.on("close", () => {
      if (waiting.delete(left)) left(undefined);
    });
  }
}
