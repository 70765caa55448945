/**
 * A view for whoever asked for it. `items` is the live map: it changes in place, just before the listeners are
 * called, and never in the middle of a turn.
 *
 * `ageMs` says how old the content may be: time since the server was last heard while the view was in step, or
 * since the cache was written. A view without a server goes on answering; its reader decides by the age.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { ViewUpdate } from "../proto/gen/fabric_pb.ts";
import type { ViewCache } from "./view-cache.ts";
import { ViewMirror } from "./view-mirror.ts";
import { ViewSaver } from "./view-saver.ts";

export interface ViewChange {
  readonly puts: ReadonlyMap<string, unknown>;
  readonly deletes: readonly string[];
}

export interface ViewHandle {
  readonly view: string;
  /** There is content, of the server or of the cache. */
  readonly ready: boolean;
  /** A server told this process of the content: it is not only what an earlier run left in the cache. */
  readonly told: boolean;
  readonly items: ReadonlyMap<string, unknown>;
  /** Of the store when the content last changed; 0 before there is any. */
  readonly revision: number;
  ageMs(): number;
  /** Resolves when there is content. @throws CONTROL_VIEW_UNKNOWN, CONTROL_LIMIT, CONTROL_CLOSED, the signal's reason */
  whenReady(signal?: AbortSignal): Promise<void>;
  /** Resolves when a server has told of the content. @throws as whenReady */
  whenTold(signal?: AbortSignal): Promise<void>;
  /** Calls back after each change. Answers how to stop. */
  onChange(listener: (change: ViewChange) => void): () => void;
  /** Lets go of the view; nothing is called back afterwards. The cache keeps it for the next run. */
  close(): void;
  /** As close; if no other handle is open the cache forgets the view, too. */
  forget(): void;
}

export interface MirroredViewOptions {
  readonly cache: ViewCache | undefined;
  /** How long a change may wait before the cache has it. */
  readonly saveDelayMs: number;
  readonly onFailure: (action: string, error: unknown) => void;
  /** No handle is open any more; `forgotten` resolves when the cache has done so. */
  readonly onUnused: (view: MirroredView, forgotten: Promise<void> | undefined) => void;
  /** An earlier view of the name is being taken from the cache. */
  readonly restoreAfter: Promise<void> | undefined;
  readonly onRestored: (view: MirroredView) => void;
  /** When the server was last heard. */
  readonly heardAtMs: () => number;
}

interface Waiter {
  readonly isReached: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class MirroredView {
  readonly name: string;
  /** Resolves, always, when the cache was looked at. */
  readonly restored: Promise<void>;
  readonly #clock: Clock;
  readonly #options: MirroredViewOptions;
  readonly #mirror = new ViewMirror();
  readonly #saver: ViewSaver | undefined;
  readonly #listeners = new Set<(change: ViewChange) => void>();
  readonly #waiters = new Set<Waiter>();
  #isTold = false;
  #handles = 0;
  #ready = false;
  #inStep = false;
  #resync = false;
  #isRestored = false;
  #currentAtMs = Number.NEGATIVE_INFINITY;
  #storeId: string | undefined;

  constructor(name: string, clock: Clock, options: MirroredViewOptions) {
    this.name = name;
    this.#clock = clock;
    this.#options = options;
    const { cache, saveDelayMs: delayMs, onFailure } = options;
    const onUnsaved = (error: unknown) => onFailure(`save view "${name}"`, error);
    this.#saver = cache && new ViewSaver(name, { cache, clock, delayMs, onFailure: onUnsaved });
    this.restored = cache ? this.#restore(cache) : Promise.resolve();
    if (!cache) this.#isRestored = true;
  }

  get isRestored(): boolean {
    return this.#isRestored;
  }

  handle(): ViewHandle {
    this.#handles += 1;
    const mirror = this.#mirror;
    const own = new Set<(change: ViewChange) => void>();
    const isReady = () => this.#ready;
    const isTold = () => this.#isTold;
    let open = true;
    const letGo = (keepsCache: boolean) => {
      if (!open) return;
      open = false;
      for (const listener of own) this.#listeners.delete(listener);
      this.#handles -= 1;
      if (this.#handles > 0) return;
      this.#options.onUnused(this, keepsCache ? undefined : this.#saver?.forget());
    };
    return {
      view: this.name,
      items: mirror.items,
      get ready() {
        return isReady();
      },
      get revision() {
        return mirror.revision;
      },
      get told() {
        return isTold();
      },
      ageMs: () => this.#ageMs(),
      whenReady: (signal) => this.#when(isReady, signal),
      whenTold: (signal) => this.#when(isTold, signal),
      onChange: (listener) => {
        const wrapped = (change: ViewChange) => listener(change);
        own.add(wrapped);
        this.#listeners.add(wrapped);
        return () => void this.#listeners.delete(wrapped);
      },
      close: () => letGo(true),
      forget: () => letGo(false),
    };
  }

  /** What to ask for; an update that did not fit asks for everything. */
  asking(): { readonly revision: number; readonly digest: bigint } {
    this.#mirror.forgetStaged();
    const { revision, digest } = this.#mirror;
    const wanted = { revision, digest: this.#resync ? ~digest & 0xffff_ffff_ffff_ffffn : digest };
    this.#resync = false;
    return wanted;
  }

  enterStore(storeId: string): void {
    if (this.#storeId !== undefined && this.#storeId !== storeId) this.#mirror.forgetRevision();
    this.#storeId = storeId;
  }

  receive(update: ViewUpdate): "ok" | "diverged" {
    const step = this.#mirror.receive(update);
    if (step.kind === "staged") return "ok";
    if (step.kind === "diverged") {
      this.lost();
      this.#resync = true;
      return "diverged";
    }
    this.#inStep = true;
    this.#isTold = true;
    const { puts, deletes } = step.delta;
    const savedWallMs = this.#clock.wallMs();
    this.#saver?.save(step.delta, {
      storeId: this.#storeId ?? "",
      revision: this.#mirror.revision,
      savedWallMs,
    });
    this.#becomeReady();
    if (puts.size > 0 || deletes.length > 0) this.#notify([...puts.keys()], deletes);
    return "ok";
  }

  /** From here on the view grows old. */
  lost(): void {
    if (this.#inStep) this.#currentAtMs = this.#options.heardAtMs();
    this.#inStep = false;
  }

  refused(error: FabricError): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  async close(): Promise<void> {
    this.refused(
      new FabricError("CONTROL_CLOSED", `wait for view "${this.name}": the client was closed; open it again`),
    );
    this.#listeners.clear();
    await this.restored;
    await this.#saver?.settled();
  }

  async #restore(cache: ViewCache): Promise<void> {
    try {
      await this.#options.restoreAfter;
      const cached = await cache.load(this.name);
      if (!cached) return;
      this.#mirror.restore(cached.revision, cached.items);
      this.#storeId = cached.storeId;
      this.#saver?.restored();
      const agoMs = Math.max(0, this.#clock.wallMs() - cached.savedWallMs);
      this.#currentAtMs = this.#clock.monotonicMs() - agoMs;
      this.#becomeReady();
      this.#notify([...this.#mirror.items.keys()], []);
    } catch (error) {
      this.#options.onFailure(`load view "${this.name}"`, error);
    } finally {
      this.#isRestored = true;
      this.#options.onRestored(this);
    }
  }

  #ageMs(): number {
    const currentAtMs = this.#inStep ? this.#options.heardAtMs() : this.#currentAtMs;
    return Math.max(0, this.#clock.monotonicMs() - currentAtMs);
  }

  #when(isReached: () => boolean, signal?: AbortSignal): Promise<void> {
    if (isReached()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const done = () => {
        signal?.removeEventListener("abort", onAbort);
        this.#waiters.delete(waiter);
      };
      const onAbort = () => waiter.reject(signal?.reason);
      const waiter: Waiter = {
        isReached,
        resolve: () => {
          done();
          resolve();
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  #becomeReady(): void {
    this.#ready = true;
    for (const waiter of this.#waiters) if (waiter.isReached()) waiter.resolve();
  }

  #notify(keys: readonly string[], deletes: readonly string[]): void {
    const puts = new Map(keys.map((key) => [key, this.#mirror.items.get(key)]));
    for (const listener of [...this.#listeners]) listener({ puts, deletes });
  }
}
