/** From a specification, as `--store` has it, to an open store. */
import { FabricError } from "../errors/index.ts";
import type { StoreOptions } from "./core/options.ts";
import { MemoryStore } from "./memory/memory-store.ts";
import { SqliteStore } from "./sqlite/sqlite-store.ts";
import type { Store } from "./store.ts";

/** `memory` or `sqlite:PATH`. @throws STORE_UNKNOWN_ENGINE, and what opening throws */
export async function openStore(spec: string, options: StoreOptions = {}): Promise<Store> {
  if (spec === "memory") return new MemoryStore(options);
  const path = spec.startsWith("sqlite:") ? spec.slice("sqlite:".length) : "";
  if (path !== "") return SqliteStore.open(path, options);
  throw new FabricError(
    "STORE_UNKNOWN_ENGINE",
    `open store "${spec}": no such engine; use "memory" or "sqlite:PATH"`,
    { details: { spec } },
  );
}
