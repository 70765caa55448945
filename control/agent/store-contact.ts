/**
 * How old what the connected server tells may be: a server that has lost its store says so beside each heartbeat, and as
 * soon as it welcomes a node. The first heartbeat that comes alone tells that it has the store again.
 */
import type { Clock } from "../../clock/index.ts";

export class StoreContact {
  readonly #clock: Clock;
  /** Monotonic. */
  #lostAtMs: number | undefined;
  #isSaid = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Since the server heard of its store; undefined: a moment ago. */
  get silentMs(): number | undefined {
    return this.#lostAtMs === undefined ? undefined : this.#clock.monotonicMs() - this.#lostAtMs;
  }

  /** True when that is new. */
  lost(silentMs: number): boolean {
    const isNew = this.#lostAtMs === undefined;
    this.#isSaid = true;
    this.#lostAtMs ??= this.#clock.monotonicMs() - silentMs;
    return isNew;
  }

  /** True when the server has its store again. */
  heartbeat(): boolean {
    const isBack = this.#lostAtMs !== undefined && !this.#isSaid;
    if (isBack) this.#lostAtMs = undefined;
    this.#isSaid = false;
    return isBack;
  }

  /** Of another connection nothing is known. */
  reset(): void {
    this.#lostAtMs = undefined;
    this.#isSaid = false;
  }
}
