/**
 * When leases end, by the clock that was handed in. A keep-alive only moves a deadline, which is looked at when it comes
 * near, so a keep-alive costs no timer. Looks at about the same time share one: only a lease that was not kept alive, and
 * has little time left, gets a timer of its own.
 *
 * Always holds: `expire` is called once for a lease, within a millisecond of its TTL having passed since the last keep-alive.
 */
import { type Clock, Deadlines, type Due, type Timer } from "../../clock/index.ts";
import type { Lease } from "../store.ts";

/** Shares of the TTL: what is left when a lease gets a timer of its own, and how much earlier than then it is looked at. */
const lastPart = 1 / 16;
const earlier = 1 / 32;

class Entry implements Due {
  readonly #clock: Clock;
  readonly #looks: Deadlines;
  readonly #ttlMs: number;
  readonly #over: () => void;
  #deadlineMs = 0;
  #lookAtMs = Number.NaN;
  #last: Timer | undefined;

  constructor(clock: Clock, looks: Deadlines, ttlMs: number, over: () => void) {
    this.#clock = clock;
    this.#looks = looks;
    this.#ttlMs = ttlMs;
    this.#over = over;
    this.#deadlineMs = clock.monotonicMs() + ttlMs;
    this.due();
  }

  renew(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#deadlineMs <= nowMs) return false;
    this.#deadlineMs = nowMs + this.#ttlMs;
    return true;
  }

  due(): void {
    const leftMs = this.#deadlineMs - this.#clock.monotonicMs();
    if (leftMs <= 0) this.#over();
    else if (leftMs <= this.#ttlMs * lastPart) this.#last = this.#clock.setTimer(leftMs, () => this.due());
    else this.#lookAtMs = this.#looks.add(this, leftMs - this.#ttlMs * earlier);
  }

  stop(): void {
    this.#last?.cancel();
    this.#looks.remove(this, this.#lookAtMs);
  }
}

export class LeaseTimers {
  readonly #clock: Clock;
  readonly #looks: Deadlines;
  readonly #expire: (lease: string) => void;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, expire: (lease: string) => void) {
    this.#clock = clock;
    this.#looks = new Deadlines(clock);
    this.#expire = expire;
  }

  get size(): number {
    return this.#entries.size;
  }

  start({ id, ttlMs }: Lease): void {
    const over = () => {
      this.#entries.delete(id);
      this.#expire(id);
    };
    this.#entries.set(id, new Entry(this.#clock, this.#looks, ttlMs, over));
  }

  /** False when the lease has ended. */
  renew(lease: string): boolean {
    return this.#entries.get(lease)?.renew() ?? false;
  }

  stop(lease: string): void {
    this.#entries.get(lease)?.stop();
    this.#entries.delete(lease);
  }

  close(): void {
    for (const lease of [...this.#entries.keys()]) this.stop(lease);
  }
}
