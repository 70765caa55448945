/**
 * Readers that wait for a topic to move. Bounded; each waiter costs one promise and one abort listener, and is
 * gone as soon as it resolved or its signal aborted.
 */
import { FabricError } from "../../errors/index.ts";
import { PrefixTable } from "./prefix-table.ts";
import { type Topic, topicKey } from "./topic.ts";

export const waitersMax = 100_000;

interface Waiter {
  readonly index: number;
  resolve(): void;
  reject(reason: unknown): void;
}

export class Waiters {
  readonly #max: number;
  readonly #byTopic = new Map<string, Set<Waiter>>();
  readonly #byPrefix = new PrefixTable<Set<Waiter>>();
  #size = 0;

  constructor(max = waitersMax) {
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  /** Resolves when the topic moves to above `index`; rejects with the signal's reason. @throws REGISTRY_LIMIT */
  add(topic: Topic, index: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#size >= this.#max) {
      throw new FabricError(
        "REGISTRY_LIMIT",
        `wait for a change of ${topicKey(topic)}: ${this.#max} readers wait already; retry later, or raise waitersMax`,
        { details: { limit: "waitersMax", max: this.#max } },
      );
    }
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const leave = () => {
        this.#remove(topic, waiter);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = () => waiter.reject(signal?.reason);
      const waiter: Waiter = {
        index,
        resolve: () => {
          leave();
          resolve();
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#insert(topic, waiter);
    });
  }

  /** Nobody will move a topic any more. */
  rejectAll(reason: unknown): void {
    for (const waiters of [...this.#byTopic.values(), ...this.#byPrefix.values()])
      for (const waiter of [...waiters]) waiter.reject(reason);
  }

  /** A topic other than a kv prefix moved. */
  wake(key: string, revision: number): void {
    wakeAll(this.#byTopic.get(key), revision);
  }

  /** A key moved: wakes the waiters of every prefix of it. */
  wakePrefixesOf(key: string, revision: number): void {
    if (this.#byPrefix.size === 0) return;
    for (const prefix of this.#byPrefix.prefixesOf(key)) wakeAll(this.#byPrefix.get(prefix), revision);
  }

  #insert(topic: Topic, waiter: Waiter): void {
    const key = slotOf(topic);
    const table = topic.kind === "kvPrefix" ? this.#byPrefix : this.#byTopic;
    const waiters = table.get(key);
    if (waiters) waiters.add(waiter);
    else table.set(key, new Set([waiter]));
    this.#size++;
  }

  #remove(topic: Topic, waiter: Waiter): void {
    const key = slotOf(topic);
    const table = topic.kind === "kvPrefix" ? this.#byPrefix : this.#byTopic;
    const waiters = table.get(key);
    if (!waiters?.delete(waiter)) return;
    this.#size--;
    if (waiters.size === 0) table.delete(key);
  }
}

function slotOf(topic: Topic): string {
  return topic.kind === "kvPrefix" ? topic.prefix : topicKey(topic);
}

function wakeAll(waiters: Set<Waiter> | undefined, revision: number): void {
  if (!waiters) return;
  for (const waiter of [...waiters]) if (revision > waiter.index) waiter.resolve();
}
