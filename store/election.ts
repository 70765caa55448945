/**
 * Work that one of several servers does at a time: each tries to make one key under a lease of its own; who made it
 * works until the lease ends, the others wait for the key to go.
 *
 * Always holds: work of an elected server begins after the key was made and is told to end before its lease can have
 * ended by its own clock; what it still writes then is fenced off by the store (`fenced-store.ts`).
 */
import type { Clock } from "../clock/index.ts";
import { isFabricError } from "../errors/index.ts";
import { fencedStore } from "./fenced-store.ts";
import type { Lease, Store } from "./store.ts";

export interface Work {
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

export interface ElectionOptions {
  readonly store: Store;
  readonly key: string;
  /** Of this server, for whoever looks at the key. */
  readonly name: string;
  readonly clock: Clock;
  readonly ttlMs?: number;
  /** Starts the work. Everything that it writes goes through this store. */
  readonly work: (store: Store) => Work;
  /** Told when the store could not be asked; it is tried again. */
  readonly onFailure: (error: unknown) => void;
}

export const electionTtlMs = 10_000;
const retryMs = 1000;

export class Election {
  readonly #options: Required<ElectionOptions>;
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  #leading = false;

  constructor(options: ElectionOptions) {
    this.#options = { ttlMs: electionTtlMs, ...options };
    this.#running = this.#run();
  }

  get leading(): boolean {
    return this.#leading;
  }

  /** Ends the work and hands the lock over. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, onFailure } = this.#options;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        await this.#vacant(signal);
        if (!signal.aborted) await this.#stand(signal);
      } catch (error) {
        if (signal.aborted) return;
        onFailure(error);
        await clock.sleep(retryMs, signal).catch(() => undefined);
      }
    }
  }

  /** Resolves when nobody holds the key. */
  async #vacant(signal: AbortSignal): Promise<void> {
    const { store, key } = this.#options;
    const { revision, items } = await store.range(key);
    if (!items.some((item) => item.key === key)) return;
    for await (const { events } of store.watch(key, revision + 1, signal))
      if (events.some((event) => event.kind === "delete" && event.key === key)) return;
  }

  async #stand(signal: AbortSignal): Promise<void> {
    const { store, key, name, clock, ttlMs, work } = this.#options;
    const grantedAtMs = clock.monotonicMs();
    const lease = await store.grantLease(ttlMs);
    try {
      const { succeeded, revision } = await store.txn({
        compare: [{ key, exists: false }],
        success: [{ op: "put", key, value: Buffer.from(name), lease: lease.id }],
      });
      if (!succeeded) return;
      const lost = new AbortController();
      const running = work(fencedStore(store, { key, createRevision: revision }, () => lost.abort()));
      this.#leading = true;
      try {
        await this.#hold(lease, grantedAtMs, AbortSignal.any([signal, lost.signal]));
      } finally {
        this.#leading = false;
        await running.close();
      }
    } finally {
      await store.revokeLease(lease.id).catch(() => undefined);
    }
  }

  /** Until the lease has ended, or could have. */
  async #hold(lease: Lease, grantedAtMs: number, signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#options;
    const beatMs = lease.ttlMs / 6;
    let goodUntilMs = grantedAtMs + lease.ttlMs;
    // A round takes a beat of sleep and at most one of asking.
    while (!signal.aborted && clock.monotonicMs() + 2 * beatMs < goodUntilMs) {
      await clock.sleep(beatMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const askedAtMs = clock.monotonicMs();
      try {
        // A lease that ended meanwhile answers so; a store that does not answer leaves the time that is left.
        await withTimeLimit(clock, beatMs, store.keepAlive(lease.id));
        goodUntilMs = askedAtMs + lease.ttlMs;
      } catch (error) {
        if (isFabricError(error, "STORE_LEASE_NOT_FOUND")) return;
      }
    }
  }
}

/** Rejects late answers. */
function withTimeLimit(clock: Clock, limitMs: number, answer: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(limitMs, () => reject(new DOMException("too late", "TimeoutError")));
    answer.then(resolve, reject).finally(() => timer.cancel());
  });
}
