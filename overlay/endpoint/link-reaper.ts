/**
 * Deletes withdrawn links after their callers were answered. Deleting one holds the kernel's RTNL lock for
 * about 18 ms, many together not much longer, so it waits for a quiet moment: mostly the runtime removes the namespace by then, and the
 * kernel the pair with it. A link that cannot be deleted is found again by the reconciler, as nobody claims it.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { Kernel, KernelOperation } from "../../kernel/index.ts";

export interface LinkReaperLimits {
  /** Deleting starts after this long without a new link. */
  readonly quietMs: number;
  /** No link waits longer than this. */
  readonly waitMaxMs: number;
  /** With more links waiting, deleting starts at once. */
  readonly queueMax: number;
}

export const linkReaperDefaults: LinkReaperLimits = { quietMs: 200, waitMaxMs: 2000, queueMax: 64 };

interface Withdrawn {
  readonly index: number;
  readonly sinceMs: number;
}

export class LinkReaper {
  readonly #kernel: Kernel;
  readonly #clock: Clock;
  readonly #limits: LinkReaperLimits;
  /** By name. */
  readonly #waiting = new Map<string, Withdrawn>();
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
    if (entry) await this.#delete([[name, entry]]);
    await this.#draining;
  }

  /** Deletes everything that waits. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#draining = this.#draining.then(() => this.#delete([...this.#waiting]));
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

  /** All in one list, which the kernel deletes together. A name may be another link's by now. */
  async #delete(entries: readonly (readonly [name: string, Withdrawn])[]): Promise<void> {
    try {
      const links = await Promise.all(entries.map(([name]) => this.#kernel.link(name)));
      const still = entries.filter(([, { index }], i) => links[i]?.index === index);
      const deletes = still.map(([, { index }]): KernelOperation => ({ op: "link.delete", link: index }));
      if (deletes.length > 0) await this.#kernel.apply(deletes);
    } catch (error) {
      if (!isFabricError(error)) throw error;
    } finally {
      for (const [name, entry] of entries) if (this.#waiting.get(name) === entry) this.#waiting.delete(name);
    }
  }
}
