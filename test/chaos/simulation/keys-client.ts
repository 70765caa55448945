/**
 * What workloads of a node do with the key/value store through any server: write, delete, count with
 * compare-and-set, read what is linearizable. Each answer is held against what really happened.
 */

import type { OpenRegistry } from "./keys-server.ts";
import type { Life, Machine } from "./life.ts";
import { NoAnswer } from "./network.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

const keys = ["a", "b", "c/1", "c/2"] as const;
const counterKey = "count";

export type RegistryAt = (server: Life) => OpenRegistry | undefined;

/** Written by all clients: every key with the last revision that was answered to a writer. */
export class KeysClient {
  readonly #world: World;
  readonly #registryAt: RegistryAt;
  readonly #answered = new Map<string, number>();
  readonly #counted = new Set<number>();
  #values = 0;
  written = 0;

  constructor(world: World, registryAt: RegistryAt) {
    this.#world = world;
    this.#registryAt = registryAt;
  }

  async put(from: Machine): Promise<void> {
    const key = this.#world.random.pick(keys);
    const value = Buffer.from(`v${this.#values++}`);
    const { revision } = await this.#ask(from, `put ${key}`, ({ writer }) => writer.kvPut(key, value));
    if (!this.#world.truth.had(`kv/${key}`, value, revision))
      throw new Violation(
        `put ${key} was answered with revision ${revision}; the store never had that value`,
      );
    this.#note(key, revision);
  }

  async delete(from: Machine): Promise<void> {
    const key = this.#world.random.pick(keys);
    const { revision } = await this.#ask(from, `delete ${key}`, ({ writer }) => writer.kvDelete(key));
    this.#note(key, revision);
  }

  /** No count is ever answered to two. */
  async count(from: Machine): Promise<void> {
    const next = await this.#ask(from, "count", async ({ registry, writer }) => {
      const held = registry.kv(counterKey);
      const value = held ? Number(Buffer.from(held.value).toString()) + 1 : 1;
      const options = { cas: held?.modifyIndex ?? 0 };
      const { succeeded } = await writer.kvPut(counterKey, Buffer.from(String(value)), options);
      return succeeded ? value : undefined;
    });
    if (next === undefined) return;
    if (this.#counted.has(next)) throw new Violation(`the count ${next} was answered to two writers`);
    this.#counted.add(next);
    this.written++;
  }

  /** What was answered to a writer before the read began is seen by it. */
  async read(from: Machine): Promise<void> {
    const key = this.#world.random.pick(keys);
    const least = this.#answered.get(key) ?? 0;
    const index = await this.#ask(from, `read ${key}`, async ({ registry }) => {
      await registry.barrier();
      return registry.index;
    });
    if (index < least)
      throw new Violation(
        `a linearizable read of ${key} saw revision ${index}; ${least} was answered before`,
      );
  }

  #note(key: string, revision: number): void {
    this.#answered.set(key, Math.max(revision, this.#answered.get(key) ?? 0));
    this.written++;
  }

  #ask<T>(from: Machine, label: string, act: (registry: OpenRegistry) => Promise<T>): Promise<T> {
    const { network, random, servers } = this.#world;
    const { life } = from;
    if (!life?.isAlive) return Promise.reject(new NoAnswer("there is no agent"));
    return network.call(life, random.pick(servers), label, (at) => {
      const open = this.#registryAt(at);
      return open ? act(open) : Promise.reject(new NoAnswer("the server is not ready"));
    });
  }
}
