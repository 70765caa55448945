/**
 * The lease of one write with a TTL: that of the key as it stands if it has the same TTL, which is renewed, else a
 * new one. It belongs to one key alone, so that keys expire one by one.
 */
import { isFabricError } from "../../errors/index.ts";
import type { Compare, Store, Write } from "../../store/index.ts";
import { kvTtlKey } from "../keys.ts";
import type { KvRecord } from "../model.ts";

export interface KeyLease {
  readonly ttlMs: number;
  readonly lease: string;
  /** Of the transaction that writes the key. */
  readonly compare: readonly Compare[];
  readonly writes: readonly Write[];
}

export class KvLease {
  readonly #store: Store;
  readonly #ttlMs: number;
  #granted: string | undefined;

  constructor(store: Store, ttlMs: number) {
    this.#store = store;
    this.#ttlMs = ttlMs;
  }

  get granted(): string | undefined {
    return this.#granted;
  }

  /** @throws STORE_LIMIT */
  async for(held: KvRecord | undefined): Promise<KeyLease> {
    const ttlMs = this.#ttlMs;
    if (held?.lease !== undefined && held.ttlMs === ttlMs && (await this.#renew(held.lease))) {
      const { lease } = held;
      return { ttlMs, lease, compare: [{ key: kvTtlKey(lease), exists: true }], writes: [] };
    }
    this.#granted ??= (await this.#store.grantLease(ttlMs)).id;
    const lease = this.#granted;
    const mark: Write = { op: "put", key: kvTtlKey(lease), value: new Uint8Array(0), lease };
    return { ttlMs, lease, compare: [], writes: [mark] };
  }

  /** The key was not written, or with the lease that it had. */
  async giveBack(): Promise<void> {
    if (this.#granted === undefined) return;
    await this.#store.revokeLease(this.#granted).catch(() => undefined);
  }

  async #renew(lease: string): Promise<boolean> {
    try {
      await this.#store.keepAlive(lease);
      return true;
    } catch (error) {
      if (isFabricError(error, "STORE_LEASE_NOT_FOUND")) return false;
      throw error;
    }
  }
}
