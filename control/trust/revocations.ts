/**
 * The generations of nodes, followed from the store: which certificates are good, asked for at each connection, and
 * told at once when one is not any more. Small: only nodes that were ever revoked have an entry.
 */
import type { Clock } from "../../clock/index.ts";
import type { Store, StoreItem } from "../../store/index.ts";
import { generationsPrefix } from "./trust-book.ts";

const retryMs = 500;

export class Revocations {
  readonly #generations = new Map<string, number>();
  readonly #ending = new AbortController();
  readonly #onRevoked: (node: string) => void;

  /** Resolves when all of now is known. @throws STORE_UNAVAILABLE */
  static async open(store: Store, clock: Clock, onRevoked: (node: string) => void): Promise<Revocations> {
    const revocations = new Revocations(onRevoked);
    const revision = await revocations.#load(store);
    void revocations.#follow(store, clock, revision);
    return revocations;
  }

  private constructor(onRevoked: (node: string) => void) {
    this.#onRevoked = onRevoked;
  }

  isGood(node: string, generation: number): boolean {
    return generation === (this.#generations.get(node) ?? 0);
  }

  close(): void {
    this.#ending.abort();
  }

  async #load(store: Store): Promise<number> {
    const { revision, items } = await store.range(generationsPrefix);
    for (const item of items) this.#take(item);
    return revision;
  }

  async #follow(store: Store, clock: Clock, from: number): Promise<void> {
    const { signal } = this.#ending;
    let revision = from;
    while (!signal.aborted) {
      try {
        for await (const batch of store.watch(generationsPrefix, revision + 1, signal)) {
          for (const event of batch.events) if (event.kind === "put") this.#take(event.item);
          revision = batch.revision;
        }
      } catch {
        revision = await this.#load(store).catch(() => revision);
      }
      if (!signal.aborted) await clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }

  #take({ key, value }: StoreItem): void {
    const node = key.slice(generationsPrefix.length);
    const generation = JSON.parse(Buffer.from(value).toString()) as number;
    const before = this.#generations.get(node) ?? 0;
    this.#generations.set(node, generation);
    if (generation !== before) this.#onRevoked(node);
  }
}
