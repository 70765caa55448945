/**
 * When leases end, by the clock that was handed in. A keep-alive only moves a deadline; the lease's one timer finds
 * out when it fires, so a keep-alive costs no timer.
 *
 * Always holds: `expire` is called once for a lease, never before its TTL has passed since the last keep-alive.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import type { Lease } from "../store.ts";

interface Entry {
  readonly ttlMs: number;
  deadlineMs: number;
  timer: Timer;
}

export class LeaseTimers {
  readonly #clock: Clock;
  readonly #expire: (lease: string) => void;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, expire: (lease: string) => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  get size(): number {
    return this.#entries.size;
  }

  start(lease: Lease): void {
    const timer = this.#arm(lease.id, lease.ttlMs);
    this.#entries.set(lease.id, {
      ttlMs: lease.ttlMs,
      deadlineMs: this.#clock.monotonicMs() + lease.ttlMs,
      timer,
    });
  }

  /** False when the lease has ended. */
  renew(lease: string): boolean {
    const entry = this.#entries.get(lease);
    const nowMs = this.#clock.monotonicMs();
    if (!entry || entry.deadlineMs <= nowMs) return false;
    entry.deadlineMs = nowMs + entry.ttlMs;
    return true;
  }

  stop(lease: string): void {
    this.#entries.get(lease)?.timer.cancel();
    this.#entries.delete(lease);
  }

  close(): void {
    for (const lease of [...this.#entries.keys()]) this.stop(lease);
  }

  #arm(lease: string, delayMs: number): Timer {
    return this.#clock.setTimer(delayMs, () => this.#fired(lease));
  }

  #fired(lease: string): void {
    const entry = this.#entries.get(lease);
    if (!entry) return;
    const leftMs = entry.deadlineMs - this.#clock.monotonicMs();
    if (leftMs > 0) {
      entry.timer = this.#arm(lease, leftMs);
    } else {
      this.#entries.delete(lease);
      this.#expire(lease);
    }
  }
}
