/**
 * Leases as keys of Consul that are written anew at each renewal. Renewals that wait share a transaction, so a server
 * with thousands of leases costs Consul one commit for `renewalsPerTxnMax` of them.
 *
 * Always holds: a renewal never brings an ended lease back, since a key is only renewed while it is there.
 */
import type { ConsulApi } from "./consul-api.ts";
import type { LogKeys } from "./log-keys.ts";

/** Two operations each; a transaction of Consul has 64. */
const renewalsPerTxnMax = 32;

interface Waiting {
  resolve(isThere: boolean): void;
  reject(error: unknown): void;
}

export interface LeaseKeysOptions {
  readonly api: Pick<ConsulApi, "create" | "delete" | "rewrite">;
  readonly keys: LogKeys;
  readonly newId: () => string;
}

export class LeaseKeys {
  readonly #options: LeaseKeysOptions;
  readonly #queue = new Map<string, Waiting[]>();
  #running = false;

  constructor(options: LeaseKeysOptions) {
    this.#options = options;
  }

  async open(id: string): Promise<void> {
    const { api, keys, newId } = this.#options;
    await api.create(keys.lease(id), newId());
  }

  /** False when the lease has ended. */
  renew(id: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const waiting = this.#queue.get(id);
      if (waiting) waiting.push({ resolve, reject });
      else this.#queue.set(id, [{ resolve, reject }]);
      if (!this.#running) void this.#run();
    });
  }

  async remove(id: string): Promise<void> {
    const { api, keys } = this.#options;
    await api.delete([keys.lease(id)]);
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.size > 0) {
      const batch = [...this.#queue].slice(0, renewalsPerTxnMax);
      for (const [id] of batch) this.#queue.delete(id);
      await this.#send(new Map(batch));
    }
    this.#running = false;
  }

  async #send(batch: ReadonlyMap<string, readonly Waiting[]>): Promise<void> {
    const { api, keys, newId } = this.#options;
    try {
      // Another value each time: Consul takes the same one for no change.
      const there = await api.rewrite(
        [...batch.keys()].map((id) => keys.lease(id)),
        newId(),
      );
      for (const [id, waiting] of batch) for (const each of waiting) each.resolve(there.has(keys.lease(id)));
    } catch (error) {
      for (const waiting of batch.values()) for (const each of waiting) each.reject(error);
    }
  }
}
