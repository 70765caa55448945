/**
 * A request as the listener hands it on. What tells that nobody waits for the answer any more is made by hand, and
 * only where it is asked for: a signal costs more than the rest of a request that waits. One that waits keeps of its
 * headers the text that they came in, which is read again if one is asked for.
 */
import type { ApiRequest, ByteStream, Leaver } from "../request.ts";
import { type Headers, parseHead, type RequestHead } from "./request-head.ts";

export const noBody = new Uint8Array(0);

/** What a request knows of the connection that it came on. */
export interface Asker {
  readonly remoteAddress: string | undefined;
  /** Tells so at once when nobody waits already. */
  whenLeft(leaver: Leaver): void;
}

export class IncomingRequest implements ApiRequest {
  readonly method: string;
  readonly target: string;
  body: Uint8Array;
  readonly upload?: ByteStream;
  readonly #asker: Asker;
  readonly #text: string;
  #headers: Headers | undefined;
  #signal: AbortSignal | undefined;

  constructor({ method, target, headers, text }: RequestHead, body: Uint8Array | ByteStream, asker: Asker) {
    this.method = method;
    this.target = target;
    this.#headers = headers;
    this.#text = text;
    this.#asker = asker;
    if (body instanceof Uint8Array) this.body = body;
    else {
      this.body = noBody;
      this.upload = body;
    }
  }

  get headers(): Headers {
    if (!this.#headers) {
      const head = parseHead(this.#text);
      this.#headers = head.kind === "head" ? head.headers : {};
    }
    return this.#headers;
  }

  get remote(): string {
    return this.#asker.remoteAddress ?? "";
  }

  get signal(): AbortSignal {
    if (!this.#signal) {
      const controller = new AbortController();
      this.#signal = controller.signal;
      this.#asker.whenLeft({ left: (reason) => controller.abort(reason) });
    }
    return this.#signal;
  }

  park(leaver: Leaver): void {
    this.#headers = undefined;
    this.body = noBody;
    this.#asker.whenLeft(leaver);
  }
}
