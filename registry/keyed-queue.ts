/** Runs tasks of one key after each other, tasks of different keys side by side. Bounded over all keys. */
import { FabricError } from "../errors/index.ts";

export const writesQueuedMax = 20_000;

export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();
  readonly #max: number;
  #size = 0;

  constructor(max = writesQueuedMax) {
    this.#max = max;
  }

  /** @throws REGISTRY_LIMIT */
  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    if (this.#size >= this.#max) {
      throw new FabricError(
        "REGISTRY_LIMIT",
        `write ${key}: ${this.#max} writes are under way already; retry later`,
        { details: { limit: "writesQueuedMax", max: this.#max } },
      );
    }
    this.#size++;
    const before = this.#tails.get(key);
    const result = before ? before.then(task, task) : task();
    this.#tails.set(key, result);
    try {
      return await result;
    } finally {
      this.#size--;
      if (this.#tails.get(key) === result) this.#tails.delete(key);
    }
  }
}
