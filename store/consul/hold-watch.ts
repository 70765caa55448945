/** Drops a hold that its server, dead or cut off, goes on with no more: else nobody could write again. */
import type { Clock, Timer } from "../../clock/index.ts";
import type { Hold } from "./hold.ts";

export class HoldWatch {
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #drop: (id: string) => Promise<void>;
  #seen: Hold | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, stallMs: number, drop: (id: string) => Promise<void>) {
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#drop = drop;
  }

  /** The hold as of now: another object than before means progress. */
  look(hold: Hold | undefined): void {
    if (this.#seen === hold) return;
    this.#seen = hold;
    this.#arm();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer?.cancel();
    const hold = this.#seen;
    if (!hold || this.#closed) return;
    this.#timer = this.#clock.setTimer(this.#stallMs, () => {
      this.#drop(hold.id).catch(() => this.#arm());
    });
  }
}
