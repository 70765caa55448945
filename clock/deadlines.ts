/**
 * When many wait for long, most of them end otherwise or are put off: so those that are due at about the same time share
 * one timer, at the price of being told a little late. A timer each for ten thousand sessions, made anew every few
 * seconds, outlives the young generation, and what a process does then is collect them.
 */
import type { Clock, Timer } from "./clock.ts";

export interface Due {
  due(): void;
}

interface Slot {
  readonly items: Set<Due>;
  readonly timer: Timer;
}

/** A wait is told so late at most, and never later than a 64th of it. A power of two, as all widths are, so that slots of waits of any length are shared. */
const slotMs = 256;
const slotsInWait = 64;

export class Deadlines {
  readonly #clock: Pick<Clock, "monotonicMs" | "setTimer">;
  readonly #slots = new Map<number, Slot>();

  constructor(clock: Pick<Clock, "monotonicMs" | "setTimer">) {
    this.#clock = clock;
  }

  /** Calls `due` after `delayMs` or up to a 64th of it later. Answers what `remove` wants to know. */
  add(item: Due, delayMs: number): number {
    const widthMs = 2 ** Math.floor(Math.log2(Math.max(1, Math.min(slotMs, delayMs / slotsInWait))));
    const nowMs = this.#clock.monotonicMs();
    const atMs = Math.ceil((nowMs + delayMs) / widthMs) * widthMs;
    const slot = this.#slots.get(atMs);
    if (slot) slot.items.add(item);
    else this.#slots.set(atMs, { items: new Set([item]), timer: this.#arm(atMs, atMs - nowMs) });
    return atMs;
  }

  remove(item: Due, atMs: number): void {
    const slot = this.#slots.get(atMs);
    if (!slot?.items.delete(item) || slot.items.size > 0) return;
    slot.timer.cancel();
    this.#slots.delete(atMs);
  }

  #arm(atMs: number, delayMs: number): Timer {
    return this.#clock.setTimer(delayMs, () => {
      const { items } = this.#slots.get(atMs) ?? { items: new Set<Due>() };
      this.#slots.delete(atMs);
      for (const item of items) item.due();
    });
  }
}
