/**
 * What one agent is still to be sent. It holds no updates of views, only which views are behind: what is sent
 * is made when the connection can take it, out of the latest state. So an agent that does not read costs the
 * server `sendWindowBytes` and one mark a view, however much changes meanwhile.
 *
 * Order: other messages first (a heartbeat must not wait behind a snapshot), then the parts of the update under
 * way, then the view that waited longest.
 *
 * Always holds: while there is room in the window, nothing waits. So what comes then is sent at once, and nothing is kept of
 * it, which ten thousand agents would make felt.
 */
import { encodeServerMessage } from "../../control-service.ts";
import { encodeFrame } from "../../grpc-frames.ts";
import type { ServerMessage } from "../../proto/gen/fabric_pb.ts";
import type { ServerStream } from "../grpc/server-stream.ts";

/** Answers the parts of what a view is behind by, as frames. */
export type TakeUpdate = () => readonly Uint8Array[];

export class Outbox {
  readonly #stream: Pick<ServerStream<never, never>, "writeFrame">;
  readonly #windowBytes: number;
  /** By slot: a newer message of the same slot replaces one that was not sent yet. */
  readonly #messages = new Map<string, ServerMessage["kind"]>();
  readonly #behind = new Map<string, TakeUpdate>();
  #parts: { readonly view: string; readonly left: Uint8Array[] } | undefined;
  #inFlightBytes = 0;
  #closed = false;

  constructor(stream: Pick<ServerStream<never, never>, "writeFrame">, windowBytes: number) {
    this.#stream = stream;
    this.#windowBytes = windowBytes;
  }

  send(slot: string, kind: ServerMessage["kind"]): void {
    if (this.#hasRoom()) this.#put(encode(kind));
    else this.#messages.set(slot, kind);
  }

  /** The view has something new; `take` is called when it can be sent, once. */
  mark(view: string, take: TakeUpdate): void {
    if (this.#hasRoom()) this.#update(view, take);
    else if (!this.#behind.has(view)) this.#behind.set(view, take);
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

  #update(view: string, take: TakeUpdate): void {
    const first = this.#begin(view, take);
    if (first) this.#put(first);
    this.#pump();
  }

  #put(frame: Uint8Array): void {
    this.#inFlightBytes += frame.length;
    this.#stream.writeFrame(frame, () => {
      this.#inFlightBytes -= frame.length;
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
      const first = this.#begin(view, take);
      if (first) return first;
    }
    return undefined;
  }

  /** Answers its first part. */
  #begin(view: string, take: TakeUpdate): Uint8Array | undefined {
    const [first, ...left] = take();
    if (left.length > 0) this.#parts = { view, left };
    return first;
  }
}

function encode(kind: ServerMessage["kind"]): Uint8Array {
  return encodeFrame(encodeServerMessage({ $typeName: "heddle.control.v1.ServerMessage", kind }));
}
