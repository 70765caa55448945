/**
 * Makes one revision of the many that a replacement takes in etcd: what happens between its first part and its end is
 * held back and told as one batch at the end's revision. Pure.
 *
 * Always holds: nobody is told of a revision at which the store is neither as before nor as after; a key that came
 * and went meanwhile never was.
 */
import type { StoreEvent, WatchBatch } from "../../store.ts";

/** Replacements remembered, so that a read which fell into one is known to be no good. */
const pastMax = 64;

interface Span {
  readonly from: number;
  readonly to: number;
}

export class TornHistory {
  #from: number | undefined;
  #held: StoreEvent[] = [];
  #past: Span[] = [];

  /** Something is held back at present. */
  get isOpen(): boolean {
    return this.#from !== undefined;
  }

  /** A read at this revision, to which the history has come, saw neither the old nor the new. */
  isTorn(revision: number): boolean {
    if (this.#from !== undefined && revision >= this.#from) return true;
    return this.#past.some(({ from, to }) => from <= revision && revision < to);
  }

  /**
   * Everything of one revision, with what it did to the marker. Answers what may be told: a batch, possibly without
   * events, or nothing yet.
   */
  take(batch: WatchBatch, marker: "applying" | "gone" | undefined): WatchBatch | undefined {
    const { revision, events } = batch;
    if (marker === "applying") this.#from ??= revision;
    if (this.#from === undefined) return batch;
    for (const event of events) this.#held.push(event);
    if (marker !== "gone") return undefined;
    const whole = { revision, events: merged(this.#held) };
    this.#past = [...this.#past.slice(1 - pastMax), { from: this.#from, to: revision }];
    this.#from = undefined;
    this.#held = [];
    return whole;
  }

  /** History has a hole, behind which no replacement is under way. */
  reset(): void {
    this.#from = undefined;
    this.#held = [];
  }
}

/** The last of each key, in order of their last; what was made and deleted meanwhile is left out. */
function merged(events: readonly StoreEvent[]): readonly StoreEvent[] {
  const last = new Map<string, StoreEvent>();
  const stoodBefore = new Map<string, boolean>();
  for (const event of events) {
    const key = event.kind === "put" ? event.item.key : event.key;
    if (!stoodBefore.has(key)) stoodBefore.set(key, event.kind === "delete" || !event.created);
    last.delete(key);
    last.set(key, event);
  }
  return [...last].flatMap(([key, event]): StoreEvent[] => {
    if (event.kind === "delete") return stoodBefore.get(key) ? [event] : [];
    return [{ ...event, created: !stoodBefore.get(key) }];
  });
}
