/**
 * From a specification, as `--store` has it, to an open store. The clients of etcd and of Consul are loaded when one
 * is chosen: most processes are agents or embed their store, and would wait at every start for code they never call.
 */
import { FabricError } from "../errors/index.ts";
import type { StoreOptions } from "./core/options.ts";
import { defaultStorePrefix, type EngineAccess, parseEndpoints, readProof } from "./engine-access.ts";
import { MemoryStore } from "./memory/memory-store.ts";
import { SqliteStore } from "./sqlite/sqlite-store.ts";
import type { Store } from "./store.ts";

/** True when several processes may use the store at a time. */
export function isShared(spec: string): boolean {
  return /^(etcd|consul):/.test(spec);
}

/** `memory`, `sqlite:PATH`, `etcd:URL[,URL]` or `consul:URL[,URL]`. @throws STORE_UNKNOWN_ENGINE, and what opening throws */
export async function openStore(
  spec: string,
  options: StoreOptions & { readonly access?: EngineAccess } = {},
): Promise<Store> {
  const [, engine, place = ""] = /^([a-z]+):(.+)$/s.exec(spec) ?? [];
  const { access = {} } = options;
  if (spec === "memory") return new MemoryStore(options);
  if (engine === "sqlite") return SqliteStore.open(place, options);
  if (engine === "etcd") {
    const { addresses, tls } = parseEndpoints(spec, place, 2379);
    const { secret = "", ...proof } = readProof(access);
    const { user, prefix = defaultStorePrefix } = access;
    const { EtcdStore } = await import("./etcd/etcd-store.ts");
    return EtcdStore.open({
      ...options,
      addresses,
      prefix,
      ...(tls && { tls: proof }),
      ...(user !== undefined && { user: { name: user, password: secret } }),
    });
  }
  if (engine === "consul") {
    const { addresses, tls } = parseEndpoints(spec, place, 8500);
    const { secret, ...proof } = readProof(access);
    const { ConsulStore } = await import("./consul/consul-store.ts");
    return ConsulStore.open({
      ...options,
      addresses,
      prefix: access.prefix ?? defaultStorePrefix,
      ...(tls && { tls: proof }),
      ...(secret !== undefined && { token: secret }),
    });
  }
  throw new FabricError(
    "STORE_UNKNOWN_ENGINE",
    `open store "${spec}": no such engine; use "memory", "sqlite:PATH", "etcd:URL[,URL]" or "consul:URL[,URL]"`,
    { details: { spec } },
  );
}
