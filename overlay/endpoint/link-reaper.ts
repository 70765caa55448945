/**
 * Deletes withdrawn links after their callers were answered. Deleting one holds the kernel's RTNL lock for
 * about 18 ms, so it waits for a quiet moment: mostly the runtime removes the namespace by then, and the
 * kernel the pair with it. A link that cannot be deleted is found again by the reconciler, as nobody claims it.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { Kernel } from "../../kernel/index.ts";

export interface LinkReaperLimits {
  /** Deleting starts after this long without a new link. */
  readonly quietMs: number;
  /** No link waits longer than this. */
  readonly waitMaxMs: number;
  /** With more links waiting, deleting starts at once. */
  readonly queueMax: number;
}

export const linkReaperDefaults: LinkReaperLimits = { quietMs: 200, waitMaxMs: 2000, queueMax: 64 };

export class LinkReaper {
  readonly #kernel: Kernel;
  readonly #clock: Clock;
  readonly #limits: LinkReaperLimits;
  /** Index and time of arrival by name. */
  readonly #waiting = new Map<string, { readonly index: number; readonly sinceMs: number }>();
  #timer: Timer | undefined;
  #draining: Promise<void> = Promise.resolve();

  constructor(kernel: Kernel, clock: Clock, limits: Partial<LinkReaperLimits> = {}) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.#limits = { ...linkReaperDefaults, ...limits };
  }

  get waiting(): ReadonlySet<string> {
    return new Set(this.#waiting.keys());
  }

  /** Resolves at once, or when the queue is full as soon as there is room. */
  async add(name: string, index: number): Promise<void> {
    this.#waiting.set(name, { index, sinceMs: this.#clock.monotonicMs() });
    if (this.#waiting.size > this.#limits.queueMax) await this.flush();
    else this.#schedule();
  }

  /** Resolves when a link of that name is not waiting any more, deleting it first of all. */
  async settled(name: string): Promise<void> {
    const entry = this.#waiting.get(name);
    if (entry) await this.#delete(name, entry.index);
    await this.#draining;
  }

  /** Deletes everything that waits. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#draining = this.#draining.then(async () => {
      for (const [name, { index }] of [...this.#waiting]) await this.#delete(name, index);
    });
    return this.#draining;
  }

  #schedule(): void {
    const [oldest] = this.#waiting.values();
    if (!oldest) return;
    const ageMs = this.#clock.monotonicMs() - oldest.sinceMs;
    const delayMs = Math.max(0, Math.min(this.#limits.quietMs, this.#limits.waitMaxMs - ageMs));
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(delayMs, () => void this.flush());
  }

  async #delete(name: string, index: number): Promise<void> {
    if (!this.#waiting.has(name)) return;
    try {
      const link = await this.#kernel.link(name);
      if (link?.index === index) await this.#kernel.apply([{ op: "link.delete", link: index }]);
    } catch (error) {
      if (!isFabricError(error)) throw error;
    } finally {
      this.#waiting.delete(name);
    }
  }
}
