/**
 * Containers that are to be inspected: each at most once in the queue and once under way. When a container is
 * wanted again while its inspection runs, that result may be older than the wish: it is dropped, and the next one counts.
 */
export interface InspectionsOptions {
  readonly concurrency: number;
  readonly pendingMax: number;
  readonly inspect: (id: string) => Promise<unknown>;
  readonly onResult: (id: string, inspection: unknown) => void;
  /** What waited is forgotten: everything must be read anew. */
  readonly onFailure: (error: unknown) => void;
}

export class Inspections {
  readonly #options: InspectionsOptions;
  readonly #pending = new Set<string>();
  readonly #running = new Set<string>();
  #idle: (() => void)[] = [];

  constructor(options: InspectionsOptions) {
    this.#options = options;
  }

  /** False when too many wait. */
  want(id: string): boolean {
    if (this.#pending.size >= this.#options.pendingMax && !this.#pending.has(id)) return false;
    this.#pending.add(id);
    this.#advance();
    return true;
  }

  idle(): Promise<void> {
    if (this.#pending.size === 0 && this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #advance(): void {
    for (const id of this.#pending) {
      if (this.#running.size >= this.#options.concurrency) return;
      if (this.#running.has(id)) continue;
      this.#pending.delete(id);
      this.#running.add(id);
      void this.#run(id);
    }
  }

  async #run(id: string): Promise<void> {
    const { inspect, onResult, onFailure } = this.#options;
    try {
      const inspection = await inspect(id);
      if (!this.#pending.has(id)) onResult(id, inspection);
    } catch (error) {
      this.#pending.clear();
      onFailure(error);
    } finally {
      this.#running.delete(id);
      this.#advance();
      if (this.#pending.size === 0 && this.#running.size === 0) {
        for (const resolve of this.#idle) resolve();
        this.#idle = [];
      }
    }
  }
}
