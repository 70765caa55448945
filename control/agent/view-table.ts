/**
 * The views that the agent subscribed to. Handles of the same view share one mirror; the last to close ends the
 * subscription. A view outlives connections: on each new one it asks for what happened since.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { ControlClientLimits } from "../limits.ts";
import type { Subscribe, Unsubscribe, ViewUpdate } from "../proto/gen/fabric_pb.ts";
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
  readonly cache: ViewCache | undefined;
  /** Views that the cache keeps. */
  readonly cached: readonly string[];
  readonly onFailure: (action: string, error: unknown) => void;
}

export class ViewTable {
  readonly #options: ViewTableOptions;
  readonly #views = new Map<string, MirroredView>();
  #send: ((request: ViewRequest) => void) | undefined;
  #storeId: string | undefined;
  #heardAtMs = 0;

  constructor(options: ViewTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#views.size;
  }

  /** @throws CONTROL_LIMIT */
  open(name: string): ViewHandle {
    const { limits, clock, cache, cached, onFailure } = this.#options;
    let view = this.#views.get(name);
    if (!view) {
      if (this.#views.size >= limits.viewsMax) throw limitReached(name, limits.viewsMax);
      view = new MirroredView(name, clock, {
        cache: cached.includes(name) ? cache : undefined,
        onFailure,
        onUnused: (unused) => this.#drop(unused),
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
    this.#heardAtMs = this.#options.clock.monotonicMs();
  }

  receive(update: ViewUpdate): void {
    const view = this.#views.get(update.view);
    if (!view) return;
    if (update.body.case === "refused") {
      const unread = new FabricError(
        "CONTROL_PROTOCOL",
        `subscribe to view "${view.name}": the server refused; bring agent and server to the same release`,
      );
      view.refused(decodeError(update.body.value) ?? unread);
      return;
    }
    if (view.receive(update) === "diverged") this.#ask(view);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#views.values()].map((view) => view.close()));
    this.#views.clear();
  }

  #ask(view: MirroredView): void {
    if (this.#views.get(view.name) !== view) return;
    const { revision, digest } = view.asking();
    this.#send?.({ case: "subscribe", value: { view: view.name, revision: BigInt(revision), digest } });
  }

  #drop(view: MirroredView): void {
    if (this.#views.get(view.name) !== view) return;
    this.#views.delete(view.name);
    this.#send?.({ case: "unsubscribe", value: { view: view.name } });
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
