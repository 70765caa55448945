/**
 * When views are computed again after a change: in the next turn of the event loop, as long as that is cheap. Under a
 * stream of changes (all agents of a server come back, and each turns what runs on it alive) refreshes rest for four
 * times as long as the last one took, at most `restMaxMs`: so they take a fifth of the time, as long as one
 * takes less than an eighth of a second, and what changes meanwhile is computed once.
 */
import type { Clock } from "../../../clock/index.ts";

const restFactor = 4;
export const restMaxMs = 500;

export class RefreshPace {
  readonly #clock: Clock;
  readonly #refresh: () => void;
  #asked: PromiseWithResolvers<void> | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, refresh: () => void) {
    this.#clock = clock;
    this.#refresh = refresh;
  }

  /** Any number of times until it runs. */
  ask(): void {
    if (this.#asked) return;
    this.#asked = Promise.withResolvers();
    const restMs = this.#notBeforeMs - this.#clock.monotonicMs();
    if (restMs > 0) this.#clock.setTimer(restMs, () => this.#run());
    else setImmediate(() => this.#run());
  }

  /** Resolves when what was asked for is done. */
  settled(): Promise<void> {
    return this.#asked?.promise ?? Promise.resolve();
  }

  #run(): void {
    const asked = this.#asked;
    this.#asked = undefined;
    const startMs = this.#clock.monotonicMs();
    this.#refresh();
    const endMs = this.#clock.monotonicMs();
    this.#notBeforeMs = endMs + Math.min(restMaxMs, (endMs - startMs) * restFactor);
    asked?.resolve();
  }
}
