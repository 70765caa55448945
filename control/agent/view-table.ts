/**
 * The views that the agent subscribed to. Handles of the same view share one mirror; the last to close ends the
 * subscription. A view outlives connections: on each new one it asks for what happened since.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { ControlClientLimits } from "../limits.ts";
import type { Subscribe, Unsubscribe, ViewUpdate } from "../proto/gen/fabric_pb.ts";
import { fabricView } from "../view-items.ts";
import { decodeError } from "../wire-error.ts";
import type { ViewCache } from "./view-cache.ts";
import { MirroredView, type ViewHandle } from "./view-handle.ts";

type Message<T> = Omit<T, "$typeName" | "$unknown">;

export type ViewRequest =
  | { readonly case: "subscribe"; readonly value: Message<Subscribe> }
  | { readonly case: "unsubscribe"; readonly value: Message<Unsubscribe> };

export interface ViewTableOptions {
  readonly clock: Clock;
  readonly limits: ControlClientLimits;
  /** Keeps every view that has content. */
  readonly cache: ViewCache | undefined;
  readonly onFailure: (action: string, error: unknown) => void;
}

export class ViewTable {
  readonly #options: ViewTableOptions;
  readonly #views = new Map<string, MirroredView>();
  readonly #forgetting = new Map<string, Promise<void>>();
  #send: ((request: ViewRequest) => void) | undefined;
  #storeId: string | undefined;
  #heardAtMs = 0;
  #stampedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ViewTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#views.size;
  }

  /** @throws CONTROL_LIMIT */
  open(name: string): ViewHandle {
    const { limits, clock, cache, onFailure } = this.#options;
    let view = this.#views.get(name);
    if (!view) {
      if (this.#views.size >= limits.viewsMax) throw limitReached(name, limits.viewsMax);
      view = new MirroredView(name, clock, {
        cache,
        saveDelayMs: name === fabricView ? 0 : limits.viewSaveDelayMs,
        onFailure,
        restoreAfter: this.#forgetting.get(name),
        onUnused: (unused, forgotten) => this.#drop(unused, forgotten),
        onRestored: (restored) => {
          if (this.#storeId !== undefined) restored.enterStore(this.#storeId);
        },
        heardAtMs: () => this.#heardAtMs,
      });
      this.#views.set(name, view);
      const opened = view;
      void view.restored.then(() => this.#ask(opened));
    }
    return view.handle();
  }

  connected(storeId: string, send: (request: ViewRequest) => void): void {
    this.#send = send;
    this.#storeId = storeId;
    for (const view of this.#views.values()) {
      view.enterStore(storeId);
      if (view.isRestored) this.#ask(view);
    }
  }

  disconnected(): void {
    this.#send = undefined;
    for (const view of this.#views.values()) view.lost();
  }

  /** The server was heard: every view that is in step is current as of now. */
  heard(): void {
    const { clock, cache, limits, onFailure } = this.#options;
    this.#heardAtMs = clock.monotonicMs();
    if (!cache || this.#heardAtMs - this.#stampedAtMs < limits.viewStampMs) return;
    this.#stampedAtMs = this.#heardAtMs;
    cache.heard(clock.wallMs()).catch((error: unknown) => onFailure("save when a server was heard", error));
  }

  receive(update: ViewUpdate): void {
    const view = this.#views.get(update.view);
    if (!view) return;
    if (update.body.case === "refused") {
      const unread = new FabricError(
        "CONTROL_PROTOCOL",
        `subscribe to view "${view.name}": the server refused; bring agent and server to the same release`,
      );
      const error = decodeError(update.body.value) ?? unread;
      view.refused(error);
      if (error.code.startsWith("STORE_")) this.#askLater(view);
      return;
    }
    if (view.receive(update) === "diverged") this.#ask(view);
  }

  async close(): Promise<void> {
    await Promise.all([
      ...[...this.#views.values()].map((view) => view.close()),
      ...this.#forgetting.values(),
    ]);
    this.#views.clear();
  }

  #ask(view: MirroredView): void {
    if (this.#views.get(view.name) !== view) return;
    const { revision, digest } = view.asking();
    this.#send?.({ case: "subscribe", value: { view: view.name, revision: BigInt(revision), digest } });
  }

  /** The server's store did not answer; on another connection it is asked for anyway. */
  #askLater(view: MirroredView): void {
    const { clock, limits } = this.#options;
    const send = this.#send;
    clock.setTimer(limits.viewRetryMs, () => {
      if (send && this.#send === send) this.#ask(view);
    });
  }

  #drop(view: MirroredView, forgotten: Promise<void> | undefined): void {
    if (this.#views.get(view.name) !== view) return;
    this.#views.delete(view.name);
    if (forgotten) this.#forget(view.name, forgotten);
    this.#send?.({ case: "unsubscribe", value: { view: view.name } });
  }

  #forget(name: string, forgotten: Promise<void>): void {
    const done = forgotten.finally(() => {
      if (this.#forgetting.get(name) === done) this.#forgetting.delete(name);
    });
    this.#forgetting.set(name, done);
  }
}

function limitReached(name: string, max: number): FabricError {
  return new FabricError(
    "CONTROL_LIMIT",
    `subscribe to view "${name}": ${max} views are held already; close some or raise viewsMax`,
    {
      details: { limit: "viewsMax", max },
    },
  );
}
