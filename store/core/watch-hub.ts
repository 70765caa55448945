/**
 * Recent history and the watches that read it. A watch is a cursor into one shared, bounded history, not a queue of
 * its own: a slow reader costs nothing, and one that falls off the end is told so.
 *
 * Always holds: history has every batch from `floor` to `reached`; a watch either gets each matching batch once, in
 * order, or ends with an error. Revisions rise, with gaps where an engine also serves others.
 */
import { FabricError } from "../../errors/index.ts";
import type { StoreEvent, WatchBatch } from "../store.ts";
import { itemBytes, type StoreLimits } from "./limits.ts";
import { RevisionWaiters } from "./revision-waiters.ts";

interface Sleeper {
  readonly prefix: string;
  wake(revision?: number): void;
}

export class WatchHub {
  readonly #limits: StoreLimits;
  readonly #sleepers = new Set<Sleeper>();
  readonly #waiters = new RevisionWaiters();
  /** Batches by rising revision; the first `#head` are dropped already. */
  #history: WatchBatch[] = [];
  #head = 0;
  #events = 0;
  #bytes = 0;
  #floor: number;
  #last: number;
  #reached: number;
  #watchers = 0;
  #ended: FabricError | undefined;
  #lost: FabricError | undefined;

  /** `revision` is the last that happened; to a store to which nothing ever happened a watch may begin anywhere. */
  constructor(limits: StoreLimits, revision: number, untouched: boolean) {
    this.#limits = limits;
    this.#last = revision;
    this.#reached = revision;
    this.#floor = untouched ? 0 : revision + 1;
  }

  /** Everything up to here is in the history. */
  get reached(): number {
    return this.#reached;
  }

  publish(batch: WatchBatch): void {
    this.#history.push(batch);
    this.#last = batch.revision;
    this.#events += batch.events.length;
    this.#bytes += batchBytes(batch);
    this.#trim();
    for (const sleeper of this.#sleepers) {
      if (batch.events.some((event) => eventKey(event).startsWith(sleeper.prefix)))
        sleeper.wake(batch.revision);
    }
    this.advance(batch.revision);
  }

  /** The engine counted on, but nothing of it was ours. */
  advance(revision: number): void {
    this.#reached = Math.max(this.#reached, revision);
    this.#waiters.reached(this.#reached);
  }

  /** Resolves once everything up to the revision is in the history; rejects when the hub is lost or closed. */
  async until(revision: number, signal?: AbortSignal): Promise<void> {
    if (revision <= this.#reached) return;
    if (this.#ended ?? this.#lost) throw this.#ended ?? this.#lost;
    await this.#waiters.add(revision, signal);
  }

  /** The last change of ours that happened up to the revision, which has been reached. */
  lastChange(revision: number): number {
    if (this.#last <= revision) return this.#last;
    const index = this.#indexOf(revision + 1);
    return index > this.#head ? (this.#history[index - 1] as WatchBatch).revision : this.#floor - 1;
  }

  /** History has a hole up to `revision`: watches from before it end with STORE_COMPACTED. */
  reset(revision: number): void {
    this.#history = [];
    this.#head = this.#events = this.#bytes = 0;
    this.#last = Math.max(this.#last, revision);
    this.#floor = this.#last + 1;
    this.#wakeAll();
    this.advance(this.#last);
  }

  /** Nothing comes any more for now: watches end with the error until `resume`. */
  interrupt(error: FabricError): void {
    this.#lost = error;
    this.#waiters.rejectAll(error);
    this.#wakeAll();
  }

  resume(): void {
    this.#lost = undefined;
  }

  /** Watches end with STORE_CLOSED. */
  close(): void {
    this.#ended = new FabricError("STORE_CLOSED", "watch: the store was closed; open it again and range");
    this.#waiters.rejectAll(this.#ended);
    this.#wakeAll();
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
        { details: { limit: "watchersMax", max: this.#limits.watchersMax } },
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
          next = Math.max(next, await this.#sleep(prefix, this.#last + 1, signal));
        }
      }
    } finally {
      this.#watchers--;
    }
  }

  /** The first batch from `revision` on, cut down to the prefix. */
  #first(prefix: string, revision: number): WatchBatch | undefined {
    if (this.#ended) throw this.#ended;
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
    if (this.#lost) throw this.#lost;
    return undefined;
  }

  /** Place of the first batch at or after the revision. */
  #indexOf(revision: number): number {
    let low = this.#head;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#history[middle] as WatchBatch).revision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
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

  #wakeAll(): void {
    for (const sleeper of this.#sleepers) sleeper.wake();
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
