/**
 * Keys that nobody may lock yet: their last holder's session ended, and whoever acted under it may not have
 * noticed. Counted on this process's monotonic clock from the moment it saw the session let go, so that a jump
 * of the wall clock neither shortens nor stretches it; a restart of the server forgets it.
 */
import type { Clock } from "../../clock/index.ts";

export const lockDelayMaxMs = 60_000;
/** At the bound the delay that was set first is dropped. */
export const lockDelaysMax = 100_000;

export class LockDelays {
  readonly #clock: Clock;
  readonly #max: number;
  /** Key → when it is over. */
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Clock, max = lockDelaysMax) {
    this.#clock = clock;
    this.#max = max;
  }

  set(key: string, delayMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#untilMs.delete(key);
    this.#untilMs.set(key, nowMs + Math.min(delayMs, lockDelayMaxMs));
    const [oldest] = this.#untilMs.keys();
    if (this.#untilMs.size > this.#max && oldest !== undefined) this.#untilMs.delete(oldest);
  }

  has(key: string): boolean {
    const untilMs = this.#untilMs.get(key);
    if (untilMs === undefined) return false;
    if (untilMs > this.#clock.monotonicMs()) return true;
    this.#untilMs.delete(key);
    return false;
  }
}
