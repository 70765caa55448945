/** Entries with an id, in order of their making: user events and prepared queries, of which there are few. */
import type { Indexes } from "../model.ts";

export class EntryList<T extends Indexes & { readonly id: string }> {
  readonly #entries = new Map<string, T>();
  readonly #mark: () => void;

  constructor(mark: () => void) {
    this.#mark = mark;
  }

  put(entry: T): void {
    this.#entries.set(entry.id, entry);
    this.#mark();
  }

  delete(id: string): void {
    if (this.#entries.delete(id)) this.#mark();
  }

  get(id: string): T | undefined {
    return this.#entries.get(id);
  }

  list(): T[] {
    return [...this.#entries.values()].sort((a, b) => a.createIndex - b.createIndex);
  }
}
