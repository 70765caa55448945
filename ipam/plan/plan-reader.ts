/**
 * Reads several records of the address plan at one revision, with the comparisons that a later transaction
 * needs to be sure that none of them has changed. Every decision of the authority is made this way: read,
 * decide, write if nothing moved, else again, at most `attemptsMax` times.
 */
import { FabricError } from "../../errors/index.ts";
import type { Compare, Operation, RangeResult, Store, StoreItem, Txn } from "../../store/index.ts";
import { decodeRecord } from "./records.ts";

/** Attempts of one decision before it gives up with IPAM_CONTENDED. */
export const attemptsMax = 32;
/** Records a page when many are read. */
const pageMax = 1000;

export interface Snapshot {
  readonly revision: number;
  /** The record at `key`, which was among those read. */
  get<T>(key: string): T | undefined;
  /** Something is there, of the address plan or not. */
  has(key: string): boolean;
  /** Holds as long as the record at `key` is the one that was read, or still absent. */
  unchanged(key: string): Compare;
}

export async function readTogether(store: Store, keys: readonly string[]): Promise<Snapshot> {
  const { revision, results } = await store.txn(
    transaction(
      [],
      keys.map((key) => ({ op: "get", key })),
    ),
  );
  const items = new Map<string, StoreItem>();
  for (const result of results) {
    if (result.op === "get" && result.item) items.set(result.item.key, result.item);
  }
  return {
    revision,
    get: <T>(key: string) => {
      const item = items.get(key);
      return item && decodeRecord<T>(item);
    },
    has: (key) => items.has(key),
    unchanged: (key) => sameItem(key, items.get(key)),
  };
}

function sameItem(key: string, item: StoreItem | undefined): Compare {
  return item ? { key, modRevision: item.modRevision } : { key, exists: false };
}

/** The operations, if all comparisons hold. */
export function transaction(compare: readonly Compare[], operations: readonly Operation[]): Txn {
  return { compare, success: operations };
}

/** Every item under the prefix, in pages; pages may be of different revisions. */
export async function* readAll(store: Store, prefix: string): AsyncGenerator<StoreItem> {
  let from: string | undefined;
  for (;;) {
    const page: RangeResult = await store.range(prefix, {
      limit: pageMax,
      ...(from === undefined ? {} : { from }),
    });
    yield* page.items;
    const last = page.items.at(-1);
    if (!page.more || !last) return;
    from = `${last.key}\0`;
  }
}

export interface Stored<T> {
  readonly item: StoreItem;
  readonly record: T;
}

/** As `readAll`. @throws IPAM_RECORD_INVALID */
export async function readStored<T>(store: Store, prefix: string): Promise<Stored<T>[]> {
  const stored: Stored<T>[] = [];
  for await (const item of readAll(store, prefix)) stored.push({ item, record: decodeRecord<T>(item) });
  return stored;
}

/** One attempt: the answer at once, a transaction with what to answer if it went through, or a lost race. */
export type Decision<T> =
  | { readonly kind: "again" }
  | { readonly kind: "answer"; readonly answer: T }
  | { readonly kind: "write"; readonly txn: Txn; readonly answer: (revision: number) => T };

/** @throws IPAM_CONTENDED after `attemptsMax` lost races */
export async function decide<T>(
  store: Store,
  action: string,
  attempt: () => Promise<Decision<T>>,
): Promise<T> {
  for (let tries = 0; tries < attemptsMax; tries++) {
    const decision = await attempt();
    if (decision.kind === "again") continue;
    if (decision.kind === "answer") return decision.answer;
    const result = await store.txn(decision.txn);
    if (result.succeeded) return decision.answer(result.revision);
  }
  throw new FabricError(
    "IPAM_CONTENDED",
    `${action}: lost against other changes ${attemptsMax} times in a row; try again`,
  );
}
