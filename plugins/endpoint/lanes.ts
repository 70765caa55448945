/**
 * Runs tasks one at a time per key and in parallel across keys, with a limit on all that wait or run. A
 * caller waits no longer than the deadline: a task that has not begun by then never will, one that has begun
 * goes on to its end behind the error (a half-made endpoint would be worse), and the next of its key waits.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { withinDeadline } from "./deadline.ts";

export interface LaneLimits {
  /** Tasks that wait or run, of all keys together. */
  readonly operationsMax: number;
  readonly deadlineMs: number;
}

export class Lanes {
  readonly #clock: Clock;
  readonly #limits: LaneLimits;
  readonly #tails = new Map<string, Promise<void>>();
  #pending = 0;

  constructor(clock: Clock, limits: LaneLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Tasks that wait or run. */
  get pending(): number {
    return this.#pending;
  }

  /** @throws ENDPOINT_BUSY at once when too many wait, ENDPOINT_DEADLINE when the answer takes too long */
  run<T>(key: string, what: string, task: () => Promise<T>): Promise<T> {
    const { operationsMax, deadlineMs } = this.#limits;
    if (this.#pending >= operationsMax) {
      return Promise.reject(
        new FabricError(
          "ENDPOINT_BUSY",
          `${what}: ${operationsMax} operations are under way; try again later`,
        ),
      );
    }
    this.#pending++;
    let expired = false;
    const before = this.#tails.get(key);
    const work = (async () => {
      await before;
      if (expired) return undefined as never; // nobody waits for it
      return await task();
    })();
    const tail = work.then(ignore, ignore).then(() => {
      this.#pending--;
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    this.#tails.set(key, tail);
    return withinDeadline(this.#clock, deadlineMs, what, work, () => {
      expired = true;
    });
  }

  /** Resolves when nothing waits or runs any more. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }
}

function ignore(): void {}
