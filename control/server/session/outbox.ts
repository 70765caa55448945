/**
 * What one agent is still to be sent. It holds no updates of views, only which views are behind: what is sent
 * is made when the connection can take it, out of the latest state. So an agent that does not read costs the
 * server `sendWindowBytes` and one mark a view, however much changes meanwhile.
 *
 * Order: other messages first (a heartbeat must not wait behind a snapshot), then the parts of the update under
 * way, then the view that waited longest.
 */
import { encodeServerMessage } from "../../control-service.ts";
import type { ServerMessage } from "../../proto/gen/fabric_pb.ts";

/** Answers the parts of what a view is behind by. */
export type TakeUpdate = () => readonly Uint8Array[];

export class Outbox {
  readonly #write: (bytes: Uint8Array, taken: () => void) => void;
  readonly #windowBytes: number;
  /** By slot: a newer message of the same slot replaces one that was not sent yet. */
  readonly #messages = new Map<string, ServerMessage["kind"]>();
  readonly #behind = new Map<string, TakeUpdate>();
  #parts: { readonly view: string; readonly left: Uint8Array[] } | undefined;
  #inFlightBytes = 0;
  #closed = false;

  constructor(write: (bytes: Uint8Array, taken: () => void) => void, windowBytes: number) {
    this.#write = write;
    this.#windowBytes = windowBytes;
  }

  send(slot: string, kind: ServerMessage["kind"]): void {
    // Nearly always: then nothing is kept of it, which ten thousand heartbeats would make felt.
    if (this.#messages.size === 0 && this.#hasRoom()) this.#put(encode(kind));
    else this.#messages.set(slot, kind);
  }

  /** The view has something new; `take` is called when it can be sent, once. */
  mark(view: string, take: TakeUpdate): void {
    if (!this.#behind.has(view)) this.#behind.set(view, take);
    this.#pump();
  }

  /** Nothing of this view is sent any more; what is under way of it ends where it is. */
  forget(view: string): void {
    this.#behind.delete(view);
    if (this.#parts?.view === view) this.#parts = undefined;
  }

  close(): void {
    this.#closed = true;
    this.#messages.clear();
    this.#behind.clear();
    this.#parts = undefined;
  }

  #pump(): void {
    while (this.#hasRoom()) {
      const bytes = this.#next();
      if (!bytes) return;
      this.#put(bytes);
    }
  }

  #hasRoom(): boolean {
    return !this.#closed && this.#inFlightBytes < this.#windowBytes;
  }

  #put(bytes: Uint8Array): void {
    this.#inFlightBytes += bytes.length;
    this.#write(bytes, () => {
      this.#inFlightBytes -= bytes.length;
      this.#pump();
    });
  }

  #next(): Uint8Array | undefined {
    for (const [slot, kind] of this.#messages) {
      this.#messages.delete(slot);
      return encode(kind);
    }
    const part = this.#parts?.left.shift();
    if (part) return part;
    this.#parts = undefined;
    for (const [view, take] of this.#behind) {
      this.#behind.delete(view);
      const [first, ...left] = take();
      if (left.length > 0) this.#parts = { view, left };
      if (first) return first;
    }
    return undefined;
  }
}

function encode(kind: ServerMessage["kind"]): Uint8Array {
  return encodeServerMessage({ $typeName: "heddle.control.v1.ServerMessage", kind });
}
