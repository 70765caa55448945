/**
 * The store as a pure function: state and transaction in, next state, answer and events out. Both engines run it;
 * the memory engine is nothing else, the sqlite engine writes what it answers to disk before anyone sees it.
 *
 * Always holds: an input that fails leaves no trace (the state is immutable); the revision rises by one exactly
 * when there are events; each key has at most one event a revision.
 */
import { FabricError } from "../../errors/index.ts";
import type {
  Compare,
  Lease,
  Operation,
  OperationResult,
  Replacement,
  StoreEvent,
  StoreItem,
  Txn,
  TxnResult,
  Write,
} from "../store.ts";
import { itemBytes, type StoreLimits } from "./limits.ts";
import { replacementWrites } from "./replacement.ts";
import { SortedMap } from "./sorted-map.ts";

export interface StoreState {
  readonly revision: number;
  readonly items: SortedMap<StoreItem>;
  readonly leases: SortedMap<Lease>;
  /** `lease key` → key, so that a lease finds what it takes along. Lease ids hold no space. */
  readonly leaseKeys: SortedMap<string>;
  /** Keys and values together, against `totalBytesMax`. */
  readonly bytes: number;
}

export interface Step<Result> {
  readonly state: StoreState;
  readonly result: Result;
  readonly events: readonly StoreEvent[];
}

/** As etcd, an empty store is at 1: 0 is free to mean "nothing seen yet". */
export const emptyState: StoreState = {
  revision: 1,
  items: SortedMap.empty(),
  leases: SortedMap.empty(),
  leaseKeys: SortedMap.empty(),
  bytes: 0,
};

/** The txn has passed `checkTxn`. @throws STORE_LEASE_NOT_FOUND, STORE_LIMIT */
export function applyTxn(state: StoreState, txn: Txn, limits: StoreLimits): Step<TxnResult> {
  const succeeded = (txn.compare ?? []).every((compare) => holds(state, compare));
  const draft = new Draft(state);
  const results = (succeeded ? txn.success : (txn.failure ?? [])).map((operation) => draft.run(operation));
  const { state: next, events } = draft.finish();
  assertRoom(state, next, limits);
  return { state: next, events, result: { revision: next.revision, succeeded, results } };
}

/** The items have passed `checkItems`. @throws STORE_LIMIT */
export function applyReplacement(
  state: StoreState,
  replacement: Replacement,
  limits: StoreLimits,
): Step<number> {
  return applyWrites(state, replacementWrites(state.items.prefix(""), replacement), limits);
}

/** Any number of writes as one revision, which is the result. @throws STORE_LIMIT */
export function applyWrites(state: StoreState, writes: readonly Write[], limits: StoreLimits): Step<number> {
  const draft = new Draft(state);
  for (const each of writes) draft.run(each);
  const { state: next, events } = draft.finish();
  assertRoom(state, next, limits);
  return { state: next, events, result: next.revision };
}

/** @throws STORE_LIMIT */
export function applyGrant(state: StoreState, lease: Lease, limits: StoreLimits): Step<Lease> {
  if (state.leases.size >= limits.leasesMax) {
    throw new FabricError("STORE_LIMIT", `grant lease: ${limits.leasesMax} leases are there; revoke some`, {
      details: { limit: "leasesMax", max: limits.leasesMax },
    });
  }
  return { state: { ...state, leases: state.leases.with(lease.id, lease) }, result: lease, events: [] };
}

/** Ends a lease and deletes its keys in one revision; `result` is whether it was there. */
export function applyLeaseEnd(state: StoreState, lease: string): Step<boolean> {
  if (!state.leases.get(lease)) return { state, result: false, events: [] };
  const draft = new Draft(state);
  for (const key of state.leaseKeys.prefix(`${lease} `)) draft.run({ op: "delete", key });
  const { state: next, events } = draft.finish();
  return { state: { ...next, leases: next.leases.without(lease) }, result: true, events };
}

function assertRoom(state: StoreState, next: StoreState, limits: StoreLimits): void {
  if (next.bytes > limits.totalBytesMax && next.bytes > state.bytes) {
    throw new FabricError(
      "STORE_LIMIT",
      `store transaction: the store would hold ${next.bytes} bytes, over totalBytesMax ${limits.totalBytesMax}; delete keys`,
      { details: { limit: "totalBytesMax", value: next.bytes, max: limits.totalBytesMax } },
    );
  }
}

/** True when no branch of the transaction can change anything. */
export function isReadOnly(txn: Txn): boolean {
  const reads = (operation: Operation) => operation.op === "get" || operation.op === "range";
  return txn.success.every(reads) && (txn.failure ?? []).every(reads);
}

/** The state that an engine finds in its file. */
export function restoreState(
  revision: number,
  leases: readonly Lease[],
  items: readonly StoreItem[],
): StoreState {
  const leaseKeys = items.flatMap(({ key, lease }) =>
    lease === undefined ? [] : [[`${lease} ${key}`, key] as const],
  );
  return {
    revision,
    items: SortedMap.from(items.map((item) => [item.key, item])),
    leases: SortedMap.from(leases.map((lease) => [lease.id, lease])),
    leaseKeys: SortedMap.from(leaseKeys),
    bytes: items.reduce((bytes, item) => bytes + itemBytes(item.key, item.value), 0),
  };
}

function holds(state: StoreState, compare: Compare): boolean {
  const item = state.items.get(compare.key);
  if ("exists" in compare) return compare.exists === (item !== undefined);
  if ("modRevision" in compare) return compare.modRevision === (item?.modRevision ?? 0);
  if ("createRevision" in compare) return compare.createRevision === (item?.createRevision ?? 0);
  return item !== undefined && Buffer.compare(item.value, compare.value) === 0;
}

/** One transaction under way. */
class Draft {
  readonly #before: StoreState;
  readonly #revision: number;
  readonly #touched = new Set<string>();
  #items: SortedMap<StoreItem>;
  #leaseKeys: SortedMap<string>;
  #bytes: number;

  constructor(state: StoreState) {
    this.#before = state;
    this.#revision = state.revision + 1;
    this.#items = state.items;
    this.#leaseKeys = state.leaseKeys;
    this.#bytes = state.bytes;
  }

  run(operation: Operation): OperationResult {
    switch (operation.op) {
      case "put": {
        const previous = this.#put(operation.key, operation.value, operation.lease);
        return previous ? { op: "put", previous } : { op: "put" };
      }
      case "delete":
        return { op: "delete", deleted: this.#delete(operation.key) };
      case "deletePrefix": {
        const doomed = this.#items.prefix(operation.prefix);
        for (const item of doomed) this.#delete(item.key);
        return { op: "deletePrefix", deleted: doomed.length };
      }
      case "get": {
        const item = this.#items.get(operation.key);
        return item ? { op: "get", item } : { op: "get" };
      }
      case "range":
        return { op: "range", items: this.#items.prefix(operation.prefix, operation.limit) };
      default:
        return operation satisfies never;
    }
  }

  finish(): { state: StoreState; events: readonly StoreEvent[] } {
    const events: StoreEvent[] = [];
    for (const key of this.#touched) {
      const item = this.#items.get(key);
      if (item) {
        this.#assertLease(item);
        events.push({ kind: "put", item, created: item.createRevision === this.#revision });
      } else if (this.#before.items.get(key)) {
        events.push({ kind: "delete", key, modRevision: this.#revision });
      }
    }
    if (events.length === 0) return { state: this.#before, events };
    const state = {
      ...this.#before,
      revision: this.#revision,
      items: this.#items,
      leaseKeys: this.#leaseKeys,
      bytes: this.#bytes,
    };
    return { state, events };
  }

  #assertLease({ key, lease }: StoreItem): void {
    if (lease === undefined || this.#before.leases.get(lease)) return;
    throw new FabricError(
      "STORE_LEASE_NOT_FOUND",
      `put "${key}": lease ${lease} has ended; grant a new one and write again`,
      { details: { key, lease } },
    );
  }

  #put(key: string, value: Uint8Array, lease: string | undefined): StoreItem | undefined {
    const previous = this.#items.get(key);
    if (previous) this.#forget(previous);
    const before = this.#before.items.get(key);
    const item: StoreItem = {
      key,
      value: new Uint8Array(value),
      createRevision: before?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (before?.version ?? 0) + 1,
      ...(lease === undefined ? {} : { lease }),
    };
    this.#touched.add(key);
    this.#items = this.#items.with(key, item);
    if (lease !== undefined) this.#leaseKeys = this.#leaseKeys.with(`${lease} ${key}`, key);
    this.#bytes += itemBytes(key, item.value);
    return previous;
  }

  #delete(key: string): number {
    const previous = this.#items.get(key);
    if (!previous) return 0;
    this.#forget(previous);
    this.#touched.add(key);
    this.#items = this.#items.without(key);
    return 1;
  }

  #forget(item: StoreItem): void {
    this.#bytes -= itemBytes(item.key, item.value);
    if (item.lease !== undefined) this.#leaseKeys = this.#leaseKeys.without(`${item.lease} ${item.key}`);
  }
}
