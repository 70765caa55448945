/** What the store contract is said of: an engine under test, and the words that its statements are made of. */
import { afterEach } from "vitest";
import type { Operation, Store, StoreEvent, StoreLimits, TxnResult, WatchBatch } from "../../store/index.ts";

export interface StoreUnderTest {
  readonly store: Store;
  /** Lets lease time pass. */
  readonly elapse: (ms: number) => Promise<void>;
  /** Frees what the test made; the store may be closed already. */
  readonly dispose: () => Promise<void>;
}

export type MakeStore = (limits?: Partial<StoreLimits>) => Promise<StoreUnderTest>;

/** Opens stores and makes signals that end with the test. */
export function storesOf(make: MakeStore): { open: MakeStore; signal: () => AbortSignal } {
  const made: StoreUnderTest[] = [];
  const aborts: AbortController[] = [];
  afterEach(async () => {
    for (const controller of aborts.splice(0)) controller.abort();
    for (const subject of made.splice(0)) await subject.dispose();
  });
  return {
    open: async (limits) => {
      const subject = await make(limits);
      made.push(subject);
      return subject;
    },
    signal: () => {
      const controller = new AbortController();
      aborts.push(controller);
      return controller.signal;
    },
  };
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(item: { readonly value: Uint8Array } | undefined): string | undefined {
  return item && new TextDecoder().decode(item.value);
}

export function put(key: string, value: string, lease?: string): Operation {
  return { op: "put", key, value: bytes(value), ...(lease === undefined ? {} : { lease }) };
}

/** biome and promises alike stumble over a literal with `then`; one place makes them. */
export function write(store: Store, ...operations: Operation[]): Promise<TxnResult> {
  return store.txn({ success: operations });
}

export async function keys(store: Store, prefix = ""): Promise<string[]> {
  return (await store.range(prefix)).items.map((item) => item.key);
}

/** "put a=1", "delete a": one event in words. */
export function words(event: StoreEvent): string {
  if (event.kind === "put")
    return `${event.created ? "create" : "put"} ${event.item.key}=${text(event.item)}`;
  return `delete ${event.key}`;
}

/** Batches until `count` have come. */
export async function take(source: AsyncIterable<WatchBatch>, count: number): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = [];
  if (count === 0) return batches;
  for await (const batch of source) if (batches.push(batch) === count) break;
  return batches;
}
