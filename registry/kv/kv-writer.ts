/**
 * Writes to the key/value store with Consul's rules: a write that changes nothing leaves ModifyIndex alone,
 * `cas=0` creates only, deleting an absent key succeeds, a plain put keeps the session that holds the key.
 *
 * Every write is one transaction compared with what the registry holds in memory, and that is almost always
 * right; when it is not, the answer brings the truth and the next attempt is compared with that.
 */
import { FabricError, isFabricError } from "../../errors/index.ts";
import type { Store, StoreItem, Write } from "../../store/index.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import { kvKey, kvTtlKey } from "../keys.ts";
import type { KvRecord } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import { transaction } from "../transaction.ts";
import type { KvPutOptions, KvWriteResult } from "../writes.ts";
import { decodeKv, encodeKv } from "./kv-codec.ts";
import { type KeyLease, KvLease } from "./kv-lease.ts";
import { KvLocks } from "./kv-locks.ts";
import { decideWrite } from "./kv-rules.ts";

export const kvKeyBytesMax = 2000;
export const kvValueBytesMax = 512 * 1024;
export const kvTtlMinMs = 1000;
export const kvTtlMaxMs = 7 * 24 * 3_600_000;
const attemptsMax = 16;

/** What stands under a key: `record` is absent when it is damaged. */
interface Held {
  readonly revision: number;
  readonly record?: KvRecord;
}

export class KvWriter {
  readonly #store: Store;
  readonly #registry: RegistryReads;
  readonly #queue = new KeyedQueue();
  readonly #locks: KvLocks;

  constructor(store: Store, registry: RegistryReads) {
    this.#store = store;
    this.#registry = registry;
    this.#locks = new KvLocks(store, registry);
  }

  async put(key: string, value: Uint8Array, options: KvPutOptions): Promise<KvWriteResult> {
    assertKey(key);
    assertValue(key, value);
    const { acquire, release, flags = 0n } = options;
    if (acquire !== undefined)
      return this.#locks.write(key, { kind: "lock", session: acquire, value, flags });
    if (release !== undefined)
      return this.#locks.write(key, { kind: "unlock", session: release, value, flags });
    return this.#queue.run(key, () => this.#put(key, value, options));
  }

  async delete(key: string, cas: number | undefined): Promise<KvWriteResult> {
    assertKey(key);
    const storeKey = kvKey(key);
    if (cas === undefined) return this.#deleted({ op: "delete", key: storeKey });
    const absent = cas === 0;
    const { revision, succeeded, results } = await this.#store.txn(
      transaction(
        [absent ? { key: storeKey, exists: false } : { key: storeKey, modRevision: cas }],
        absent ? [] : [{ op: "delete", key: storeKey }],
        [{ op: "get", key: storeKey }],
      ),
    );
    if (succeeded) return { revision: absent ? this.#registry.index : revision, succeeded };
    return { revision: this.#registry.index, succeeded: itemOf(results) === undefined };
  }

  async deleteTree(prefix: string): Promise<KvWriteResult> {
    return this.#deleted({ op: "deletePrefix", prefix: kvKey(prefix) });
  }

  async #deleted(write: Write): Promise<KvWriteResult> {
    const { revision, results } = await this.#store.txn(transaction([], [write]));
    const [result] = results;
    const changed = result !== undefined && "deleted" in result && result.deleted > 0;
    return { revision: changed ? revision : this.#registry.index, succeeded: true };
  }

  /** The revision at which the key was gone. What memory says is checked first: a load may show it halfway. */
  async endTime(lease: string): Promise<number | undefined> {
    await this.#registry.barrier();
    const { key, lasts } = this.#registry.keyTime(lease);
    if (key === undefined && lasts) await this.#store.revokeLease(lease);
    const entry = key === undefined ? undefined : this.#registry.kv(key);
    if (!entry || lasts) return undefined;
    const storeKey = kvKey(entry.key);
    const { succeeded, revision } = await this.#store.txn(
      transaction(
        [
          { key: storeKey, modRevision: entry.modifyIndex },
          { key: kvTtlKey(lease), exists: false },
        ],
        [{ op: "delete", key: storeKey }],
      ),
    );
    // Somebody wrote the key meanwhile: then the lease is parted from it in another way, and told again.
    return succeeded ? revision : undefined;
  }

  async #put(key: string, value: Uint8Array, options: KvPutOptions): Promise<KvWriteResult> {
    const { ttlMs } = options;
    if (ttlMs === undefined) return this.#write(key, value, options, undefined);
    assertTtl(key, ttlMs);
    const lease = new KvLease(this.#store, ttlMs);
    try {
      const result = await this.#write(key, value, options, (held) => lease.for(held));
      if (!result.succeeded || result.used !== lease.granted) await lease.giveBack();
      return result;
    } catch (error) {
      // Where nobody knows, the key may have it.
      if (!isFabricError(error, "STORE_AMBIGUOUS")) await lease.giveBack();
      throw error;
    }
  }

  async #write(
    key: string,
    value: Uint8Array,
    { flags = 0n, cas }: KvPutOptions,
    leaseOf: ((held: KvRecord | undefined) => Promise<KeyLease>) | undefined,
  ): Promise<KvWriteResult & { readonly used?: string }> {
    const storeKey = kvKey(key);
    const remembered = this.#registry.kv(key);
    let held: Held | undefined = remembered && { revision: remembered.modifyIndex, record: remembered };
    if (cas !== undefined && cas !== (held?.revision ?? 0)) {
      const { results } = await this.#store.txn(transaction([], [{ op: "get", key: storeKey }]));
      held = heldItem(key, itemOf(results));
    }
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (cas !== undefined && cas !== (held?.revision ?? 0))
        return { revision: this.#registry.index, succeeded: false };
      const record = held?.record && { ...held.record, modifyIndex: held.revision };
      const time = leaseOf && (await leaseOf(held?.record));
      const decision = decideWrite(record, { kind: "set", value, flags, ...(time && { time }) });
      const writes: Write[] =
        decision.kind === "write" ? [{ op: "put", key: storeKey, value: encodeKv(decision.record) }] : [];
      const { revision, succeeded, results } = await this.#store.txn(
        transaction(
          [
            held ? { key: storeKey, modRevision: held.revision } : { key: storeKey, exists: false },
            ...(time?.compare ?? []),
          ],
          [...writes, ...(time?.writes ?? [])],
          [{ op: "get", key: storeKey }],
        ),
      );
      if (succeeded) {
        const wrote = writes.length === 0 ? this.#registry.index : revision;
        return { revision: wrote, succeeded, ...(time && { used: time.lease }) };
      }
      held = heldItem(key, itemOf(results));
    }
    throw new FabricError(
      "REGISTRY_CONTENDED",
      `put ${JSON.stringify(key)}: other writers were faster ${attemptsMax} times; retry later`,
      { details: { key } },
    );
  }
}

function assertTtl(key: string, ttlMs: number): void {
  if (ttlMs >= kvTtlMinMs && ttlMs <= kvTtlMaxMs) return;
  throw new FabricError(
    "REGISTRY_INVALID",
    `put ${JSON.stringify(key)} for ${ttlMs} ms: a TTL is from ${kvTtlMinMs / 1000} s to ${kvTtlMaxMs / 86_400_000} days; choose another`,
    { details: { min: kvTtlMinMs, max: kvTtlMaxMs } },
  );
}

/** @throws REGISTRY_VALUE_TOO_LARGE */
export function assertValue(key: string, value: Uint8Array): void {
  if (value.length <= kvValueBytesMax) return;
  throw new FabricError(
    "REGISTRY_VALUE_TOO_LARGE",
    `put ${JSON.stringify(key)}: the value has ${value.length} bytes, at most ${kvValueBytesMax} are stored; split it`,
    { details: { limit: "kvValueBytesMax", max: kvValueBytesMax } },
  );
}

/** @throws REGISTRY_KEY_INVALID */
export function assertKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes > 0 && bytes <= kvKeyBytesMax && key.isWellFormed()) return;
  throw new FabricError(
    "REGISTRY_KEY_INVALID",
    `use key ${JSON.stringify(key.slice(0, 64))}: it has ${bytes} bytes of UTF-8, 1 to ${kvKeyBytesMax} are allowed; rename it`,
    { details: { limit: "kvKeyBytesMax", max: kvKeyBytesMax } },
  );
}

function heldItem(key: string, item: StoreItem | undefined): Held | undefined {
  if (!item) return undefined;
  const record = decodeKv(key, item.value);
  return record ? { revision: item.modRevision, record } : { revision: item.modRevision };
}

function itemOf(results: readonly object[]): StoreItem | undefined {
  const [result] = results;
  return result && "item" in result ? (result.item as StoreItem) : undefined;
}
