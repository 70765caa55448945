/**
 * The nft(8) processes of one kernel that run or have just ended, by process id: the port of the socket a
 * process opens first is its id (netlink(7)), so notifications of their changes are told from those of others.
 * A notification is queued before the process ends and read within a turn of the event loop or two; after
 * `echoMs` the id may belong to somebody else.
 */
import type { Clock } from "../../clock/index.ts";

export const echoMs = 1000;

export class RecentRuns {
  readonly #clock: Clock;
  /** When it ended; undefined while it runs. Those that are over are dropped when one starts. */
  readonly #endedMs = new Map<number, number | undefined>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  started(pid: number): void {
    for (const known of this.#endedMs.keys()) if (!this.has(known)) this.#endedMs.delete(known);
    this.#endedMs.set(pid, undefined);
  }

  ended(pid: number): void {
    this.#endedMs.set(pid, this.#clock.monotonicMs());
  }

  has(pid: number): boolean {
    if (!this.#endedMs.has(pid)) return false;
    const endedMs = this.#endedMs.get(pid);
    return endedMs === undefined || this.#clock.monotonicMs() - endedMs < echoMs;
  }
}
