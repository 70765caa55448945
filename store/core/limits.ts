/** What a store accepts at most. Each is checked before anything is written; the defaults suit etcd and Consul, too. */
import { FabricError } from "../../errors/index.ts";
import type { Compare, Lease, Operation, Replacement, Txn } from "../store.ts";

export interface StoreLimits {
  /** Of one key as UTF-8. */
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  /** Keys and values of one transaction together. */
  readonly txnBytesMax: number;
  /** Each of compare, success and failure. */
  readonly operationsMax: number;
  /** Keys and values of the whole store; they are held in memory. */
  readonly totalBytesMax: number;
  readonly leasesMax: number;
  readonly leaseTtlMaxMs: number;
  /** Watches at a time. */
  readonly watchersMax: number;
  /** Events kept for watches to resume or to lag. */
  readonly historyEventsMax: number;
  readonly historyBytesMax: number;
  /** Transactions that wait for the disk. */
  readonly pendingTxnsMax: number;
  readonly pendingBytesMax: number;
  /** Of the sqlite file, without its log. */
  readonly fileBytesMax: number;
  /** Of an engine that servers share: silence of a replacement under way until another server ends it. */
  readonly restoreStallMs: number;
}

const mib = 1024 * 1024;

export const defaultStoreLimits: StoreLimits = {
  keyBytesMax: 2048,
  valueBytesMax: mib,
  txnBytesMax: 4 * mib,
  operationsMax: 128,
  totalBytesMax: 1024 * mib,
  leasesMax: 100_000,
  leaseTtlMaxMs: 7 * 24 * 3600 * 1000,
  watchersMax: 10_000,
  historyEventsMax: 20_000,
  historyBytesMax: 32 * mib,
  pendingTxnsMax: 20_000,
  pendingBytesMax: 64 * mib,
  fileBytesMax: 4096 * mib,
  restoreStallMs: 10_000,
};

/** Room that a key takes at most as UTF-8: exact for ASCII, and never too small. */
export function itemBytes(key: string, value: Uint8Array): number {
  return key.length + value.length;
}

/** @throws STORE_INVALID_KEY, STORE_LIMIT */
export function checkTxn(txn: Txn, limits: StoreLimits): void {
  const parts = [
    ["compare", txn.compare ?? []],
    ["success", txn.success],
    ["failure", txn.failure ?? []],
  ] as const;
  let bytes = 0;
  for (const [name, operations] of parts) {
    exceeds(
      `${name} operations`,
      operations.length,
      limits.operationsMax,
      "operationsMax",
      "split the transaction",
    );
    for (const operation of operations) bytes += checkOperation(operation, limits);
  }
  exceeds("bytes", bytes, limits.txnBytesMax, "txnBytesMax", "split the transaction");
}

/** Of a replacement: each item, as it is held; how many there are is bounded by `totalBytesMax`. @throws STORE_INVALID_KEY, STORE_LIMIT */
export function checkItems({ items }: Replacement, limits: StoreLimits): void {
  for (const { key, value } of items) checkOperation({ op: "put", key, value }, limits);
}

/** @throws STORE_LIMIT */
export function newLease(id: string, ttlMs: number, limits: StoreLimits): Lease {
  if (ttlMs > 0 && ttlMs <= limits.leaseTtlMaxMs) return { id, ttlMs: Math.ceil(ttlMs) };
  throw new FabricError(
    "STORE_LIMIT",
    `grant lease: TTL ${ttlMs} ms is not between 1 and ${limits.leaseTtlMaxMs}; ask for another`,
    { details: { limit: "leaseTtlMaxMs", value: ttlMs, max: limits.leaseTtlMaxMs } },
  );
}

function checkOperation(operation: Compare | Operation, limits: StoreLimits): number {
  if ("prefix" in operation) return operation.prefix.length;
  const { key } = operation;
  if (key === "" || !key.isWellFormed()) {
    throw new FabricError(
      "STORE_INVALID_KEY",
      `store transaction: key ${JSON.stringify(key)} is empty or not well-formed Unicode; name another`,
    );
  }
  // UTF-8 takes at most 3 bytes a code unit: short keys need no count.
  if (key.length * 3 > limits.keyBytesMax) {
    exceeds("bytes of a key", Buffer.byteLength(key), limits.keyBytesMax, "keyBytesMax", "shorten it");
  }
  if (!("value" in operation)) return key.length;
  exceeds(
    "bytes of a value",
    operation.value.length,
    limits.valueBytesMax,
    "valueBytesMax",
    "store less under one key",
  );
  return itemBytes(key, operation.value);
}

function exceeds(what: string, value: number, max: number, limit: keyof StoreLimits, advice: string): void {
  if (value <= max) return;
  throw new FabricError(
    "STORE_LIMIT",
    `store transaction: ${value} ${what} is over ${limit} ${max}; ${advice}`,
    {
      details: { limit, value, max },
    },
  );
}
