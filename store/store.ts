/**
 * The store contract: an ordered map of keys to bytes with revisions, transactions, watches and leases. It is
 * the smallest thing that an embedded engine, etcd and Consul can all keep (etcd's v3 API is the model).
 *
 * Keys are ordered by UTF-16 code unit, which is byte order for everything below U+10000. Values are copied on
 * the way in; what comes out is shared and must not be written to.
 *
 * Always holds: each committed write transaction has a revision of its own, greater than those before it (by one
 * where the engine serves this store alone); a transaction is seen whole or not at all; what `txn` answered survives
 * `kill -9`; a watch sees every change from its revision on, once, in order, or ends with an error. A write of which
 * nobody can say whether it happened ends with STORE_AMBIGUOUS and is never tried again by the store.
 */

export interface StoreItem {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision at which the key was made; a key deleted and made again later starts anew. */
  readonly createRevision: number;
  /** Revision of the last change. */
  readonly modRevision: number;
  /** Transactions that put it since it was made, from 1. */
  readonly version: number;
  /** Lease that takes the key with it when it ends. */
  readonly lease?: string;
}

export interface RangeOptions {
  /** At most so many items, in key order. */
  readonly limit?: number;
  /** Begin at this key (inclusive) instead of the first of the prefix: paging. */
  readonly from?: string;
  /** Leave `value` empty. */
  readonly keysOnly?: boolean;
  /** May answer from a cache that lags. Default false: linearizable. */
  readonly stale?: boolean;
}

export interface RangeResult {
  /** Revision of the store as of this read. */
  readonly revision: number;
  readonly items: readonly StoreItem[];
  /** There were more than `limit`. */
  readonly more: boolean;
}

export type Compare =
  | { readonly key: string; readonly exists: boolean }
  /** 0 holds when the key is not there; so for `createRevision`. */
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly value: Uint8Array };

export type Write =
  | { readonly op: "put"; readonly key: string; readonly value: Uint8Array; readonly lease?: string }
  | { readonly op: "delete"; readonly key: string }
  | { readonly op: "deletePrefix"; readonly prefix: string };

/**
 * Reads inside of a transaction see the state after the writes before them. A key may be written twice; what counts
 * is the net of the transaction: one event a key, one version, and a key deleted and put by it was not deleted.
 */
export type Operation =
  | Write
  | { readonly op: "get"; readonly key: string }
  | { readonly op: "range"; readonly prefix: string; readonly limit?: number };

export interface Txn {
  /** All must hold for `success`, else `failure` runs. Empty: `success`. */
  readonly compare?: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure?: readonly Operation[];
}

export type OperationResult =
  | { readonly op: "put"; readonly previous?: StoreItem }
  | { readonly op: "delete" | "deletePrefix"; readonly deleted: number }
  | { readonly op: "get"; readonly item?: StoreItem }
  | { readonly op: "range"; readonly items: readonly StoreItem[] };

export interface TxnResult {
  /** The revision that this transaction made, or the current one when it wrote nothing. */
  readonly revision: number;
  readonly succeeded: boolean;
  /** One entry an operation of the branch that ran. */
  readonly results: readonly OperationResult[];
}

export type StoreEvent =
  | { readonly kind: "put"; readonly item: StoreItem; readonly created: boolean }
  /** Deleted, or its lease ended: engines do not tell one from the other. */
  | { readonly kind: "delete"; readonly key: string; readonly modRevision: number };

/** All events of one revision, one a key, that fall under the watched prefix. */
export interface WatchBatch {
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

export interface Lease {
  readonly id: string;
  /** As granted: engines that know coarser times round up. */
  readonly ttlMs: number;
}

/** What `Store.replace` puts in the place of what. */
export interface Replacement {
  /** Whether an item that is there makes way; pure. */
  readonly replaces: (item: StoreItem) => boolean;
  /** What stands afterwards, without leases. What stood as it is keeps its revisions. */
  readonly items: readonly { readonly key: string; readonly value: Uint8Array }[];
}

export interface Store {
  /** UUID of this history: revisions of two stores compare only when their ids are equal. Survives a restart. */
  readonly id: string;
  /** @throws STORE_UNAVAILABLE, STORE_CLOSED */
  range(prefix: string, options?: RangeOptions): Promise<RangeResult>;
  /** @throws STORE_UNAVAILABLE (nothing happened), STORE_AMBIGUOUS, STORE_CLOSED, STORE_LIMIT (too many operations or too large), STORE_LEASE_NOT_FOUND */
  txn(txn: Txn): Promise<TxnResult>;
  /**
   * As one transaction of any size; answers its revision. Watches may end with STORE_COMPACTED. Items of an engine whose
   * transactions are bounded may have earlier revisions than the batch that tells of them, and others' writes are
   * refused meanwhile (STORE_UNAVAILABLE).
   * @throws STORE_UNAVAILABLE, STORE_AMBIGUOUS, STORE_CLOSED, STORE_LIMIT, STORE_INVALID_KEY
   */
  replace(replacement: Replacement): Promise<number>;
  /**
   * Every change with revision ≥ `fromRevision` under `prefix`; ends when the signal aborts.
   * A reader slower than the bounded history ends with STORE_COMPACTED, too.
   * @throws STORE_CLOSED; STORE_UNAVAILABLE when the engine is out of reach: watch again from the last revision + 1; STORE_COMPACTED when history before `fromRevision` is gone: range again, then watch from its revision + 1
   */
  watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncIterable<WatchBatch>;
  /** @throws STORE_LIMIT */
  grantLease(ttlMs: number): Promise<Lease>;
  /** Restarts the lease's time. @throws STORE_LEASE_NOT_FOUND when it has ended */
  keepAlive(lease: string): Promise<void>;
  /** Ends the lease and deletes its keys; nothing happens when it is gone already. */
  revokeLease(lease: string): Promise<void>;
  /** Finishes what was acknowledged and lets go of files and sockets. */
  close(): Promise<void>;
}
