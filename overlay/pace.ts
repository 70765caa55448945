/**
 * When the next pass may run, as arithmetic. A pass on a change waits for the burst to gather and for a rest
 * in proportion to the last pass's duration, so that a big node never spends more than a quarter of a core
 * on looking. Passes that keep finding something to do (a foreign program fights us) space out, and so do
 * retries of what Linux refuses; the one does not slow the other.
 */
export interface PaceLimits {
  /** How long changes gather before a pass. */
  readonly debounceMs: number;
  /** Rest after a pass, in multiples of its duration. */
  readonly restFactor: number;
  readonly retryMinMs: number;
  /** No wait is longer. */
  readonly backoffMaxMs: number;
}

export const paceDefaults: PaceLimits = {
  debounceMs: 10,
  restFactor: 3,
  retryMinMs: 100,
  backoffMaxMs: 10_000,
};

/** Passes with work that may follow each other at full speed. */
const freePasses = 5;
const doublingsMax = 20;

export class Pace {
  readonly #limits: PaceLimits;
  #lastMs = 0;
  #busy = 0;
  #refused = 0;

  constructor(limits: Partial<PaceLimits>) {
    this.#limits = { ...paceDefaults, ...limits };
  }

  /** A pass ended; how many of its operations were done and how many refused. */
  passed(durationMs: number, done: number, refused: number): void {
    this.#lastMs = durationMs;
    this.#busy = done > 0 ? this.#busy + 1 : 0;
    this.#refused = refused > 0 ? this.#refused + 1 : 0;
  }

  /** Somebody asked for a change: what follows is no fight. */
  forgive(): void {
    this.#busy = 0;
    this.#refused = 0;
  }

  delayOnChangeMs(): number {
    const { debounceMs, restFactor } = this.#limits;
    return this.#spaced(Math.max(debounceMs, restFactor * this.#lastMs), this.#busy - freePasses);
  }

  /** Undefined when nothing was refused. */
  retryDelayMs(): number | undefined {
    if (this.#refused === 0) return undefined;
    return this.#spaced(Math.max(this.#limits.retryMinMs, this.delayOnChangeMs()), this.#refused - 1);
  }

  #spaced(delayMs: number, doublings: number): number {
    const factor = 2 ** Math.min(doublingsMax, Math.max(0, doublings));
    return Math.min(this.#limits.backoffMaxMs, delayMs * factor);
  }
}
