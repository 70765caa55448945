/**
 * A request as the listener hands it on. What tells that nobody waits for the answer any more is made by hand, and only
 * where it is asked for: a signal costs more than the rest of a request.
 */
import type { ApiRequest, ByteStream, Leaver, Resumer, Waited } from "../request.ts";
import type { RequestHead } from "./request-head.ts";

export const noBody = new Uint8Array(0);

/** What a request knows of the connection that it came on. */
export interface Asker {
  readonly remoteAddress: string | undefined;
  /** Tells so at once when nobody waits already. */
  whenLeft(leaver: Leaver): void;
  /** Lets go of the request that stands in `text`, to ask anew. */
  park(text: string, leaver: Leaver): Resumer;
}

export class IncomingRequest implements ApiRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: ApiRequest["headers"];
  readonly body: Uint8Array;
  readonly upload?: ByteStream;
  readonly waited?: Waited;
  readonly #asker: Asker;
  readonly #text: string;
  #signal: AbortSignal | undefined;

  constructor(head: RequestHead, body: Uint8Array | ByteStream, asker: Asker, waited?: Waited) {
    this.method = head.method;
    this.target = head.target;
    this.headers = head.headers;
    this.#text = head.text;
    this.#asker = asker;
    if (body instanceof Uint8Array) this.body = body;
    else {
      this.body = noBody;
      this.upload = body;
    }
    if (waited) this.waited = waited;
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

  park(leaver: Leaver): Resumer {
    return this.#asker.park(this.#text, leaver);
  }
}
