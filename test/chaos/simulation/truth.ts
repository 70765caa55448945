/**
 * What really happened to the store, from its own memory and without a network in between: what everybody else's
 * view is held against.
 */
import type { MemoryStore, StoreItem, WatchBatch } from "../../../store/index.ts";

interface Version {
  readonly revision: number;
  /** Absent: deleted. */
  readonly item?: StoreItem;
}

export class Truth {
  readonly #versions = new Map<string, Version[]>();
  readonly #batches: WatchBatch[] = [];
  #revision = 0;

  /** Follows the store from its first change on. Never ends, nor does the store. */
  static follow(store: MemoryStore): Truth {
    const truth = new Truth();
    const run = async () => {
      for await (const batch of store.watch("", 1, new AbortController().signal)) truth.#add(batch);
    };
    void run();
    return truth;
  }

  get revision(): number {
    return this.#revision;
  }

  /** The key as it was at the revision. */
  at(key: string, revision: number): StoreItem | undefined {
    return this.#versions.get(key)?.findLast((version) => version.revision <= revision)?.item;
  }

  /** The key had the value, at the latest at the revision. */
  had(key: string, value: Uint8Array, revision: number): boolean {
    const versions = this.#versions.get(key) ?? [];
    return versions.some((version) => version.revision <= revision && endsWith(version.item?.value, value));
  }

  /** Keys that ever were. */
  keys(prefix: string): string[] {
    return [...this.#versions.keys()].filter((key) => key.startsWith(prefix));
  }

  /** The first change under the prefix after the revision: its revision and its keys, in order. */
  next(
    prefix: string,
    after: number,
  ): { readonly revision: number; readonly keys: readonly string[] } | undefined {
    let index = this.#batches.length;
    while (index > 0 && (this.#batches[index - 1]?.revision ?? 0) > after) index--;
    for (const { revision, events } of this.#batches.slice(index)) {
      const keys = events.map((event) => (event.kind === "put" ? event.item.key : event.key));
      const found = keys.filter((key) => key.startsWith(prefix));
      if (found.length > 0) return { revision, keys: found.sort() };
    }
    return undefined;
  }

  #add(batch: WatchBatch): void {
    this.#revision = batch.revision;
    this.#batches.push(batch);
    for (const event of batch.events) {
      const key = event.kind === "put" ? event.item.key : event.key;
      const version = { revision: batch.revision, ...(event.kind === "put" ? { item: event.item } : {}) };
      const versions = this.#versions.get(key);
      if (versions) versions.push(version);
      else this.#versions.set(key, [version]);
    }
  }
}

/** The registry writes a value behind what it keeps of the key. */
function endsWith(stored: Uint8Array | undefined, value: Uint8Array): boolean {
  return stored !== undefined && Buffer.from(stored).subarray(-value.length).equals(value);
}
