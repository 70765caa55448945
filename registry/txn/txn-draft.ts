/**
 * A transaction over the store in the making. It remembers what was looked at, which becomes the condition of
 * the transaction, and what was written before, which later operations must see. Writes and reads go to the
 * store in the order in which they were asked for, so that what is read is what the transaction itself sees.
 */
import type { Compare, Operation, OperationResult, StoreItem, Txn } from "../../store/index.ts";
import type { Indexes } from "../model.ts";

/** Of what this very transaction wrote: equal to no index that a client can know. */
export const pendingIndex = -1;

export class TxnDraft {
  readonly #compares = new Map<string, Compare>();
  readonly #operations: Operation[] = [];
  /** Store key → what this transaction leaves there. */
  readonly #written = new Map<string, object | undefined>();
  readonly #deletedPrefixes: string[] = [];

  /** What an operation at this point sees under the key; `held` is what the registry holds there. */
  see<T extends Indexes>(key: string, held: T | undefined): T | undefined {
    if (this.#written.has(key)) return this.#written.get(key) as T | undefined;
    if (this.#deletedPrefixes.some((prefix) => key.startsWith(prefix))) return undefined;
    this.#compares.set(key, held ? { key, modRevision: held.modifyIndex } : { key, exists: false });
    return held;
  }

  put(key: string, value: Uint8Array, record: object): void {
    this.#operations.push({ op: "put", key, value });
    this.#written.set(key, { ...record, createIndex: pendingIndex, modifyIndex: pendingIndex });
  }

  delete(key: string): void {
    this.#operations.push({ op: "delete", key });
    this.#written.set(key, undefined);
  }

  deletePrefix(prefix: string): void {
    this.#operations.push({ op: "deletePrefix", prefix });
    this.#deletedPrefixes.push(prefix);
    for (const key of this.#written.keys()) if (key.startsWith(prefix)) this.#written.set(key, undefined);
  }

  /** Reads the key at this point. */
  get(key: string): (results: readonly OperationResult[]) => StoreItem | undefined {
    const at = this.#operations.push({ op: "get", key }) - 1;
    return (results) => {
      const result = results[at];
      return result?.op === "get" ? result.item : undefined;
    };
  }

  range(prefix: string): (results: readonly OperationResult[]) => readonly StoreItem[] {
    const at = this.#operations.push({ op: "range", prefix }) - 1;
    return (results) => {
      const result = results[at];
      return result?.op === "range" ? result.items : [];
    };
  }

  txn(): Txn {
    return { compare: [...this.#compares.values()], success: this.#operations, failure: [] };
  }
}
