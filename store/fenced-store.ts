/**
 * A store through which only the holder of a lock writes: every transaction also asks whether the lock's key is still
 * the one that was made. A holder that was frozen while its lease ended, and does not know, changes nothing.
 * Source: fencing tokens, M. Kleppmann, "How to do distributed locking"; etcd's concurrency recipes.
 */
import { FabricError } from "../errors/index.ts";
import { isReadOnly } from "./core/state.ts";
import type { Store, Txn, TxnResult } from "./store.ts";

export interface Fence {
  readonly key: string;
  /** Of the key, as its holder made it. */
  readonly createRevision: number;
}

/** `onLost` runs once a write found the lock gone. Writes throw STORE_FENCED then. */
export function fencedStore(store: Store, fence: Fence, onLost: () => void): Store {
  const { key, createRevision } = fence;
  const txn = async (asked: Txn): Promise<TxnResult> => {
    if (isReadOnly(asked)) return store.txn(asked);
    const failure = asked.failure ?? [];
    if (!isReadOnly({ success: failure })) {
      throw new FabricError(
        "STORE_FENCED",
        `write under the lock "${key}": the branch for a failed comparison writes, which the lock cannot guard; only read there`,
        { details: { key } },
      );
    }
    const { results, ...answer } = await store.txn({
      compare: [...(asked.compare ?? []), { key, createRevision }],
      success: asked.success,
      failure: [{ op: "get", key }, ...failure],
    });
    if (answer.succeeded) return { ...answer, results };
    const [held, ...others] = results;
    const item = held?.op === "get" ? held.item : undefined;
    if (item?.createRevision === createRevision) return { ...answer, results: others };
    onLost();
    throw new FabricError(
      "STORE_FENCED",
      `write under the lock "${key}": another server holds it now; nothing was written`,
      { details: { key } },
    );
  };
  return {
    id: store.id,
    range: (prefix, options) => store.range(prefix, options),
    txn,
    replace: () =>
      Promise.reject(
        new FabricError(
          "STORE_FENCED",
          `replace what the store holds under the lock "${key}": the lock cannot guard that; do it without`,
          { details: { key } },
        ),
      ),
    watch: (prefix, fromRevision, signal) => store.watch(prefix, fromRevision, signal),
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    keepAlive: (lease) => store.keepAlive(lease),
    revokeLease: (lease) => store.revokeLease(lease),
    close: () => store.close(),
  };
}
