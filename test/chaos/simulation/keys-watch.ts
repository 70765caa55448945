/**
 * A workload that follows the keys from a revision on, through one server after the other. Always holds, and is
 * looked at here: between two restarts it gets every change once and in order, whichever server tells it.
 */
import { isFabricError } from "../../../errors/index.ts";
import { type ChangeBatch, changePath, type Registry } from "../../../registry/index.ts";
import type { RegistryAt } from "./keys-client.ts";
import type { Life, Machine } from "./life.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

const prefix = changePath.kv("");
const reconnectMs = 700;

export class KeysWatch {
  readonly #world: World;
  readonly #registryAt: RegistryAt;
  readonly #name: string;
  /** Everything up to here was seen; undefined: begins wherever the server is. */
  #seen: number | undefined;
  received = 0;

  constructor(world: World, name: string, registryAt: RegistryAt) {
    this.#world = world;
    this.#name = name;
    this.#registryAt = registryAt;
  }

  /** Runs as long as the process does. */
  async run(life: Life): Promise<void> {
    while (life.isAlive) {
      const server = this.#world.random.pick(this.#world.servers);
      await this.#follow(life, server);
      await life.clock.sleep(reconnectMs);
    }
  }

  /** Until the connection ends. */
  async #follow(life: Life, server: Machine): Promise<void> {
    const { scheduler, network } = this.#world;
    const at = server.life;
    await scheduler.point(life, `→ ${server.name} follow`);
    const registry = at?.isAlive && this.#registryAt(at)?.registry;
    if (!at || !registry || network.isCut(life.machine.name, server.name)) return;
    this.#seen ??= registry.index;
    const ending = AbortSignal.any([life.signal, at.signal]);
    const cursor = registry.changesAfter(prefix, { revision: this.#seen });
    try {
      while (!ending.aborted) {
        const batch = cursor.take();
        if (!batch) {
          await cursor.wait(ending);
          continue;
        }
        await scheduler.point(at, `tells ${this.#name} of ${batch.revision}`);
        if (ending.aborted || network.isCut(server.name, life.machine.name)) return;
        this.#receive(batch);
      }
    } catch (error) {
      if (!isFabricError(error, "REGISTRY_COMPACTED")) throw error;
      this.#seen = startAnew(registry);
    } finally {
      cursor.close();
    }
  }

  #receive({ revision, changes }: ChangeBatch): void {
    const expected = this.#world.truth.next("kv/", this.#seen ?? 0);
    const paths = changes.map(({ path }) => path).sort();
    if (expected?.revision !== revision || paths.join() !== expected.keys.join())
      throw new Violation(
        `the watch of ${this.#name} got ${paths.join()} of revision ${revision} after ${this.#seen}; next was ${expected?.keys.join()} of revision ${expected?.revision}`,
      );
    this.#seen = revision;
    this.received++;
  }
}

/** What is known one by one begins here. */
function startAnew(registry: Registry): number {
  return Math.max(registry.index, registry.changesFrom - 1);
}
