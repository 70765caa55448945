/**
 * The registry's side of a server: the real `Registry` and `RegistryWriter` over the server's way to the store, opened
 * again and again until the store answers. Always holds, and is looked at here: what the registry shows at its index
 * is what the store had at that revision.
 */
import { Registry, RegistryWriter } from "../../../registry/index.ts";
import type { Store } from "../../../store/index.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

const openRetryMs = 1000;

export interface OpenRegistry {
  readonly registry: Registry;
  readonly writer: RegistryWriter;
}

export class KeysServer {
  readonly #world: World;
  readonly #life: Life;
  #open: OpenRegistry | undefined;
  #checkedIndex = 0;

  /** `onOpen` is called once the store has answered. */
  constructor(world: World, life: Life, store: Store, onOpen: (open: OpenRegistry) => void) {
    this.#world = world;
    this.#life = life;
    world.start(this.#begin(store, onOpen));
  }

  /** Undefined until the store has answered. */
  get open(): OpenRegistry | undefined {
    return this.#open;
  }

  async #begin(store: Store, onOpen: (open: OpenRegistry) => void): Promise<void> {
    const { clock, signal } = this.#life;
    const random = () => this.#world.random.next();
    while (this.#life.isAlive) {
      try {
        const registry = await Registry.open({ store, clock, datacenter: "dc1", signal, random });
        let ids = 0;
        const newId = () => `00000000-0000-4000-8000-${String(ids++).padStart(12, "0")}`;
        this.#open = { registry, writer: new RegistryWriter({ store, registry, clock, newId }) };
        onOpen(this.#open);
        return;
      } catch {
        await clock.sleep(openRetryMs);
      }
    }
  }

  /** The pages of a load are of different times: until the watch has passed the last of them nothing is said. */
  check(): void {
    const registry = this.#open?.registry;
    if (!registry || registry.index === this.#checkedIndex || registry.index < registry.changesFrom - 1)
      return;
    this.#checkedIndex = registry.index;
    const { index } = registry;
    for (const key of this.#world.truth.keys("kv/")) {
      const shown = registry.kv(key.slice("kv/".length))?.modifyIndex;
      const real = this.#world.truth.at(key, index)?.modRevision;
      if (shown !== real)
        this.#world.broken(
          `${this.#life.machine.name} shows ${key} of revision ${shown ?? "none"} at index ${index}; it was of revision ${real ?? "none"} then`,
        );
    }
  }
}
