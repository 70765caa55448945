/**
 * The generations of nodes, followed from the store: which certificates are good, asked for at each connection, and
 * told at once when one is not any more. Small: only nodes that were ever revoked have an entry.
 */
import type { Clock } from "../../clock/index.ts";
import type { Store, StoreItem } from "../../store/index.ts";
import { followPrefix } from "./follow-prefix.ts";
import { decode, generationsPrefix } from "./keys.ts";

export class Revocations {
  readonly #generations = new Map<string, number>();
  readonly #ending = new AbortController();
  readonly #onRevoked: (node: string) => void;

  /** Resolves when all of now is known. @throws STORE_UNAVAILABLE */
  static async open(store: Store, clock: Clock, onRevoked: (node: string) => void): Promise<Revocations> {
    const revocations = new Revocations(onRevoked);
    const { signal } = revocations.#ending;
    await followPrefix(store, clock, generationsPrefix, signal, (item) => revocations.#take(item));
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

  #take(item: StoreItem): void {
    const node = item.key.slice(generationsPrefix.length);
    const generation = decode<number>(item);
    const before = this.#generations.get(node) ?? 0;
    this.#generations.set(node, generation);
    if (generation !== before) this.#onRevoked(node);
  }
}
