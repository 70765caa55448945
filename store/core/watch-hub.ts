/**
 * Recent history and the watches that read it. A watch is a cursor into one shared, bounded history, not a queue of
 * its own: a slow reader costs nothing, and one that falls off the end is told so.
 *
 * Always holds: history has every batch from `floor` to the last published revision; a watch either gets each
 * matching batch once, in order, or ends with STORE_COMPACTED.
 */
import { FabricError } from "../../errors/index.ts";
import type { StoreEvent, WatchBatch } from "../store.ts";
import { itemBytes, type StoreLimits } from "./limits.ts";
import { emptyState } from "./state.ts";

interface Sleeper {
  readonly prefix: string;
  wake(revision?: number): void;
}

export class WatchHub {
  readonly #limits: StoreLimits;
  readonly #sleepers = new Set<Sleeper>();
  /** Batches by rising revision; the first `#head` are dropped already. */
  #history: WatchBatch[] = [];
  #head = 0;
  #events = 0;
  #bytes = 0;
  #floor: number;
  #revision: number;
  #watchers = 0;
  #closed = false;

  /** `revision` is the last that happened; nothing ever happened to an empty store, so there a watch may begin anywhere. */
  constructor(limits: StoreLimits, revision: number) {
    this.#limits = limits;
    this.#revision = revision;
    this.#floor = revision === emptyState.revision ? 0 : revision + 1;
  }

  publish(batch: WatchBatch): void {
    this.#history.push(batch);
    this.#revision = batch.revision;
    this.#events += batch.events.length;
    this.#bytes += batchBytes(batch);
    this.#trim();
    for (const sleeper of this.#sleepers) {
      if (batch.events.some((event) => eventKey(event).startsWith(sleeper.prefix)))
        sleeper.wake(batch.revision);
    }
  }

  /** Watches end with STORE_CLOSED. */
  close(): void {
    this.#closed = true;
    for (const sleeper of this.#sleepers) sleeper.wake();
  }

  async *watch(
    prefix: string,
    fromRevision: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, void, void> {
    if (this.#watchers >= this.#limits.watchersMax) {
      throw new FabricError(
        "STORE_LIMIT",
        `watch "${prefix}": ${this.#watchers} watches are open; close some`,
        {
          details: { limit: "watchersMax", max: this.#limits.watchersMax },
        },
      );
    }
    this.#watchers++;
    try {
      let next = fromRevision;
      while (!signal.aborted) {
        const batch = this.#first(prefix, next);
        if (batch) {
          next = batch.revision + 1;
          yield batch;
        } else {
          // Nothing up to now concerns it, and what wakes it is the first batch that does: sleeping is no lag.
          next = Math.max(next, await this.#sleep(prefix, this.#revision + 1, signal));
        }
      }
    } finally {
      this.#watchers--;
    }
  }

  /** The first batch from `revision` on, cut down to the prefix. */
  #first(prefix: string, revision: number): WatchBatch | undefined {
    if (this.#closed) {
      throw new FabricError(
        "STORE_CLOSED",
        `watch "${prefix}": the store was closed; open it again and range`,
      );
    }
    if (revision < this.#floor) {
      throw new FabricError(
        "STORE_COMPACTED",
        `watch "${prefix}" from revision ${revision}: history begins at ${this.#floor}; range again and watch from its revision + 1`,
        { details: { fromRevision: revision, floor: this.#floor } },
      );
    }
    for (let index = this.#indexOf(revision); index < this.#history.length; index++) {
      const batch = this.#history[index] as WatchBatch;
      const events = batch.events.filter((event) => eventKey(event).startsWith(prefix));
      if (events.length > 0) return events.length === batch.events.length ? batch : { ...batch, events };
    }
    return undefined;
  }

  /** Revisions are consecutive, so a batch's place follows from its number. */
  #indexOf(revision: number): number {
    const first = this.#history[this.#head]?.revision ?? revision;
    return this.#head + Math.max(0, revision - first);
  }

  /** Answers the revision to read next: that of the batch that woke it, or `quiet` when told to end. */
  #sleep(prefix: string, quiet: number, signal: AbortSignal): Promise<number> {
    return new Promise((resolve) => {
      const sleeper: Sleeper = {
        prefix,
        wake: (revision = quiet) => {
          this.#sleepers.delete(sleeper);
          signal.removeEventListener("abort", onAbort);
          resolve(revision);
        },
      };
      const onAbort = () => sleeper.wake();
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #trim(): void {
    while (this.#events > this.#limits.historyEventsMax || this.#bytes > this.#limits.historyBytesMax) {
      const oldest = this.#history[this.#head++] as WatchBatch;
      this.#events -= oldest.events.length;
      this.#bytes -= batchBytes(oldest);
      this.#floor = oldest.revision + 1;
    }
    // The dropped front is cut off once it is half of the array: amortised O(1) a batch.
    if (this.#head > 0 && this.#head * 2 >= this.#history.length) {
      this.#history = this.#history.slice(this.#head);
      this.#head = 0;
    }
  }
}

function eventKey(event: StoreEvent): string {
  return event.kind === "put" ? event.item.key : event.key;
}

function batchBytes(batch: WatchBatch): number {
  let bytes = 0;
  for (const event of batch.events) {
    bytes += event.kind === "put" ? itemBytes(event.item.key, event.item.value) : event.key.length;
  }
  return bytes;
}
