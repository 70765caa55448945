/**
 * Readers that wait for a topic to move. Bounded. A waiter is whatever object its owner has anyway: ten thousand
 * long polls cost an entry of a set each, no promise and no signal of their own.
 */
import { FabricError } from "../../errors/index.ts";
import { PrefixTable } from "./prefix-table.ts";
import { type Topic, topicKey } from "./topic.ts";

export const waitersMax = 100_000;

export interface Waiter {
  readonly topic: Topic;
  readonly index: number;
  /** The topic is above `index`; the waiter is parked no more. */
  moved(): void;
  /** Nobody will move the topic any more; the waiter is parked no more. */
  ended(reason: unknown): void;
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

  /** @throws REGISTRY_LIMIT */
  park(waiter: Waiter): void {
    if (this.#size >= this.#max) {
      throw new FabricError(
        "REGISTRY_LIMIT",
        `wait for a change of ${topicKey(waiter.topic)}: ${this.#max} readers wait already; retry later, or raise waitersMax`,
        { details: { limit: "waitersMax", max: this.#max } },
      );
    }
    const [table, key] = this.#slot(waiter.topic);
    const waiters = table.get(key);
    if (waiters) waiters.add(waiter);
    else table.set(key, new Set([waiter]));
    this.#size++;
  }

  /** Does nothing when it is parked no more. */
  leave(waiter: Waiter): void {
    const [table, key] = this.#slot(waiter.topic);
    const waiters = table.get(key);
    if (!waiters?.delete(waiter)) return;
    this.#size--;
    if (waiters.size === 0) table.delete(key);
  }

  /** Nobody will move a topic any more. */
  endAll(reason: unknown): void {
    for (const waiters of [...this.#byTopic.values(), ...this.#byPrefix.values()]) {
      for (const waiter of [...waiters]) {
        this.leave(waiter);
        waiter.ended(reason);
      }
    }
  }

  /** A topic other than a kv prefix moved. */
  wake(key: string, revision: number): void {
    this.#wakeAll(this.#byTopic.get(key), revision);
  }

  /** A key moved: wakes the waiters of every prefix of it. */
  wakePrefixesOf(key: string, revision: number): void {
    if (this.#byPrefix.size === 0) return;
    for (const prefix of this.#byPrefix.prefixesOf(key)) this.#wakeAll(this.#byPrefix.get(prefix), revision);
  }

  #wakeAll(waiters: Set<Waiter> | undefined, revision: number): void {
    if (!waiters) return;
    for (const waiter of [...waiters]) {
      if (revision <= waiter.index) continue;
      this.leave(waiter);
      waiter.moved();
    }
  }

  #slot(topic: Topic): readonly [Pick<PrefixTable<Set<Waiter>>, "get" | "set" | "delete">, string] {
    return topic.kind === "kvPrefix" ? [this.#byPrefix, topic.prefix] : [this.#byTopic, topicKey(topic)];
  }
}
