/**
 * Messages between machines. A request may be delayed as long as the seed likes, overtaken, cut off on the way
 * there (nothing happened) or back (it did), answered after its time, or arrive twice. Links are cut one way.
 */
import type { Life, Machine } from "./life.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** The caller cannot know whether the request was carried out. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

const callTimeoutMs = 5000;
const duplicateChance = 0.03;

export class Network {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  /** Cut links, and who waits for each. */
  readonly #cut = new Map<string, PromiseWithResolvers<void>>();

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  cut(from: string, to: string): void {
    if (!this.isCut(from, to)) this.#cut.set(`${from} ${to}`, Promise.withResolvers());
  }

  /** One link, or all. */
  heal(from?: string, to?: string): void {
    const links = from === undefined ? [...this.#cut.keys()] : [`${from} ${to}`];
    for (const link of links) {
      this.#cut.get(link)?.resolve();
      this.#cut.delete(link);
    }
  }

  /** Resolves when the link is not cut. */
  async passable(from: string, to: string): Promise<void> {
    for (;;) {
      const cut = this.#cut.get(`${from} ${to}`);
      if (!cut) return;
      await cut.promise;
    }
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from} ${to}`);
  }

  /** Runs `act` at the other machine. @throws NoAnswer, and what `act` throws */
  async call<T>(from: Life, to: Machine, label: string, act: (at: Life) => Promise<T>): Promise<T> {
    const askedAtMs = from.clock.monotonicMs();
    const [near, far] = [from.machine.name, to.name];
    const isLate = () => from.clock.monotonicMs() - askedAtMs > callTimeoutMs;
    await this.#scheduler.point(from, `→ ${far} ${label}`);
    await to.awake();
    const at = to.life;
    if (this.isCut(near, far) || !at?.isAlive) throw new NoAnswer(`${label}: unreachable`);
    if (this.#random.chance(duplicateChance)) void this.#again(to, label, act);
    const outcome = await Promise.race([settled(act(at)), at.ended]);
    if (!outcome) throw new NoAnswer(`${label}: the server died`);
    await this.#scheduler.point(from, `← ${far} ${label}`);
    if (this.isCut(far, near) || isLate()) throw new NoAnswer(`${label}: the answer was lost`);
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  async #again<T>(to: Machine, label: string, act: (at: Life) => Promise<T>): Promise<void> {
    const at = to.life;
    if (!at) return;
    await this.#scheduler.point(at, `twice ${label}`);
    await settled(act(at));
  }
}

function settled<T>(work: Promise<T>): Promise<{ readonly value: T } | { readonly error: unknown }> {
  return work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}
