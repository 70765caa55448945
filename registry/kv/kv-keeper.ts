/**
 * Deletes the keys whose time is over, and ends the leases that no key has any more. Runs on
 * one server of a store at a time (daemon/servers/singletons.ts); doing it twice does no harm, and what a server that died left is found at the next start.
 *
 * Always holds: at most `expiriesInFlightMax` at a time (they share the store's commits); what cannot be done now is
 * tried again after `retryMs`.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import type { RegistryReads } from "../reads.ts";
import type { RegistryWrites } from "../writes.ts";
import { partedLeaseTopic as prefix } from "./kv-times.ts";

export const expiriesInFlightMax = 64;
const retryMs = 1000;

export interface KvKeeperOptions {
  readonly registry: RegistryReads;
  readonly writer: Pick<RegistryWrites, "endKeyTime">;
  readonly clock: Clock;
  /** Told when something could not be done; it is tried again. */
  readonly onFailure: (error: unknown) => void;
}

export class KvKeeper {
  readonly #options: KvKeeperOptions;
  readonly #due = new Set<string>();
  readonly #ending = new Map<string, Promise<void>>();
  readonly #unsubscribe: () => void;
  #retry: Timer | undefined;
  #closed = false;

  constructor(options: KvKeeperOptions) {
    this.#options = options;
    this.#unsubscribe = options.registry.onChange(({ topics }) => {
      for (const topic of topics) if (topic.startsWith(prefix)) this.#look(topic.slice(prefix.length));
      this.#pump();
    });
    this.#lookAtAll();
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    this.#retry?.cancel();
    await Promise.all(this.#ending.values());
  }

  #lookAtAll(): void {
    for (const lease of this.#options.registry.keyLeases()) this.#look(lease);
    this.#pump();
  }

  #look(lease: string): void {
    const { key, lasts } = this.#options.registry.keyTime(lease);
    if ((key !== undefined) !== lasts) this.#due.add(lease);
  }

  #pump(): void {
    for (const lease of this.#due) {
      if (this.#closed || this.#ending.size >= expiriesInFlightMax) return;
      this.#due.delete(lease);
      if (!this.#ending.has(lease)) this.#ending.set(lease, this.#end(lease));
    }
  }

  async #end(lease: string): Promise<void> {
    try {
      await this.#options.writer.endKeyTime(lease);
    } catch (error) {
      if (this.#closed) return;
      this.#options.onFailure(error);
      this.#retry ??= this.#options.clock.setTimer(retryMs, () => {
        this.#retry = undefined;
        this.#lookAtAll();
      });
    } finally {
      this.#ending.delete(lease);
      this.#pump();
    }
  }
}
