/**
 * Writes one view to the cache behind its changes: one write at a time, what changes meanwhile is merged into
 * the next. It never holds more than the view has keys.
 */
import type { CachedView, ViewCache } from "./view-cache.ts";
import type { ViewDelta } from "./view-mirror.ts";

export class ViewSaver {
  readonly #view: string;
  readonly #cache: ViewCache;
  readonly #onFailure: (error: unknown) => void;
  #waiting = new Map<string, string | undefined>();
  #stamp: Omit<CachedView, "items"> | undefined;
  #writing: Promise<void> | undefined;

  constructor(view: string, cache: ViewCache, onFailure: (error: unknown) => void) {
    this.#view = view;
    this.#cache = cache;
    this.#onFailure = onFailure;
  }

  save({ puts, deletes }: ViewDelta, stamp: Omit<CachedView, "items">): void {
    for (const key of deletes) this.#waiting.set(key, undefined);
    for (const [key, json] of puts) this.#waiting.set(key, json);
    this.#stamp = stamp;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when everything handed over is written. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  async #write(): Promise<void> {
    for (let stamp = this.#stamp; stamp; stamp = this.#stamp) {
      const entries = [...this.#waiting];
      this.#waiting = new Map();
      this.#stamp = undefined;
      const puts = new Map(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
      const deletes = entries.filter(([, json]) => json === undefined).map(([key]) => key);
      await this.#cache.save(this.#view, { puts, deletes }, stamp).catch(this.#onFailure);
    }
  }
}
