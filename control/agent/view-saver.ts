/**
 * Writes one view to the cache behind its changes: one write at a time, what changes meanwhile is merged into
 * the next. It never holds more than the view has keys. A view without content that the cache does not hold either
 * is not written: whoever asks for names that do not exist must not wear the disk.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import type { CachedView, ViewCache } from "./view-cache.ts";
import type { ViewDelta } from "./view-mirror.ts";

export interface ViewSaverOptions {
  readonly cache: ViewCache;
  readonly clock: Clock;
  /** How long a change may wait for others. */
  readonly delayMs: number;
  readonly onFailure: (error: unknown) => void;
}

export class ViewSaver {
  readonly #view: string;
  readonly #options: ViewSaverOptions;
  #waiting = new Map<string, string | undefined>();
  #stamp: Omit<CachedView, "items"> | undefined;
  #writing: Promise<void> | undefined;
  #timer: Timer | undefined;
  #isHeld = false;
  #isForgotten = false;

  constructor(view: string, options: ViewSaverOptions) {
    this.#view = view;
    this.#options = options;
  }

  /** The cache has the view from an earlier run. */
  restored(): void {
    this.#isHeld = true;
  }

  save({ puts, deletes }: ViewDelta, stamp: Omit<CachedView, "items">): void {
    if (this.#isForgotten || (!this.#isHeld && puts.size === 0)) return;
    this.#isHeld = true;
    for (const key of deletes) this.#waiting.set(key, undefined);
    for (const [key, json] of puts) this.#waiting.set(key, json);
    this.#stamp = stamp;
    const { clock, delayMs } = this.#options;
    if (delayMs === 0) this.#begin();
    else
      this.#timer ??= clock.setTimer(delayMs, () => {
        this.#timer = undefined;
        this.#begin();
      });
  }

  /** The cache is to hold it no longer; nothing is saved any more. */
  async forget(): Promise<void> {
    this.#isForgotten = true;
    this.#timer?.cancel();
    this.#stamp = undefined;
    await this.#writing;
    if (this.#isHeld) await this.#options.cache.forget(this.#view).catch(this.#options.onFailure);
  }

  /** Resolves when everything handed over is written. */
  async settled(): Promise<void> {
    this.#timer?.cancel();
    this.#begin();
    while (this.#writing) await this.#writing;
  }

  #begin(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    for (let stamp = this.#stamp; stamp; stamp = this.#stamp) {
      const entries = [...this.#waiting];
      this.#waiting = new Map();
      this.#stamp = undefined;
      const puts = new Map(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
      const deletes = entries.filter(([, json]) => json === undefined).map(([key]) => key);
      const { cache, onFailure } = this.#options;
      await cache.save(this.#view, { puts, deletes }, stamp).catch(onFailure);
    }
  }
}
