/** User events in memory, oldest first. There are few of them: each new one takes the place of the oldest. */
import type { EventEntry } from "./model.ts";

/** Kept for readers; Consul keeps as many. */
export const eventsMax = 256;

export class EventState {
  readonly #entries = new Map<string, EventEntry>();
  readonly #mark: () => void;

  constructor(mark: () => void) {
    this.#mark = mark;
  }

  put(event: EventEntry): void {
    this.#entries.set(event.id, event);
    this.#mark();
  }

  delete(id: string): void {
    if (this.#entries.delete(id)) this.#mark();
  }

  get(id: string): EventEntry | undefined {
    return this.#entries.get(id);
  }

  list(): EventEntry[] {
    return [...this.#entries.values()].sort((a, b) => a.createIndex - b.createIndex);
  }
}
