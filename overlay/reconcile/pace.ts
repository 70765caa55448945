/**
 * When the next pass may run, as arithmetic over given times. A pass on a change waits for the burst to gather,
 * and until the node has rested as long as the last pass took, so that a big node never spends more than half
 * a core on looking. Where a foreign program undoes each repair, repairs space out once
 * `freeRepairs` came in a row; one is forgiven every `forgiveMs`. Retries of what Linux refuses have a
 * backoff of their own, which slows nothing else.
 */
export interface PaceLimits {
  /** How long changes gather before a pass. */
  readonly debounceMs: number;
  /** Rest after a pass, in multiples of its duration. */
  readonly restFactor: number;
  readonly freeRepairs: number;
  readonly forgiveMs: number;
  readonly retryMinMs: number;
  /** No wait is longer. */
  readonly backoffMaxMs: number;
}

export const paceDefaults: PaceLimits = {
  debounceMs: 10,
  restFactor: 1,
  freeRepairs: 50,
  forgiveMs: 200,
  retryMinMs: 100,
  backoffMaxMs: 10_000,
};

const doublingsMax = 20;

export class Pace {
  readonly #limits: PaceLimits;
  #endedMs = 0;
  #lastMs = 0;
  #repairs = 0;
  #refusals = 0;

  constructor(limits: Partial<PaceLimits> = {}) {
    this.#limits = { ...paceDefaults, ...limits };
  }

  /** A pass ended; how many of its operations were done and how many refused. */
  passed(endedMs: number, durationMs: number, done: number, refused: number): void {
    const forgiven = Math.floor((endedMs - this.#endedMs) / this.#limits.forgiveMs);
    this.#repairs = done > 0 ? Math.max(0, this.#repairs - forgiven) + 1 : 0;
    this.#refusals = refused > 0 ? this.#refusals + 1 : 0;
    this.#endedMs = endedMs;
    this.#lastMs = durationMs;
  }

  /** Somebody asked for a change: what follows is no fight. */
  forgive(): void {
    this.#repairs = 0;
    this.#refusals = 0;
  }

  /** How long to wait with a pass on a change that is seen now. */
  delayMs(nowMs: number): number {
    const { debounceMs, restFactor, freeRepairs } = this.#limits;
    const restMs = this.#spaced(Math.max(debounceMs, restFactor * this.#lastMs), this.#repairs - freeRepairs);
    return Math.max(debounceMs, this.#endedMs + restMs - nowMs);
  }

  /** How long to wait with trying again what was refused; undefined when nothing was. */
  retryMs(): number | undefined {
    if (this.#refusals === 0) return undefined;
    const { retryMinMs, restFactor } = this.#limits;
    return this.#spaced(Math.max(retryMinMs, restFactor * this.#lastMs), this.#refusals - 1);
  }

  #spaced(delayMs: number, doublings: number): number {
    const factor = 2 ** Math.min(doublingsMax, Math.max(0, doublings));
    return Math.min(this.#limits.backoffMaxMs, delayMs * factor);
  }
}
