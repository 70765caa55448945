/** Who this store is: a record made by whoever opens the prefix first. Keys without it are not ours to touch. */
import { decodeStoreRecord, encodeStoreRecord, foreignKeys } from "../core/store-record.ts";
import type { ConsulApi } from "./consul-api.ts";
import type { LogKeys } from "./log-keys.ts";

/** The store's id. @throws STORE_CORRUPT, STORE_SCHEMA_NEWER, and what calls throw */
export async function identify(
  api: Pick<ConsulApi, "get" | "keys" | "create">,
  keys: Pick<LogKeys, "store" | "prefix">,
  newId: () => string,
): Promise<string> {
  const found = await api.get(keys.store);
  if (found === undefined) {
    const there = await api.keys(keys.prefix);
    // Another server may have made the record since the first look, and begun to write.
    if (there.length > 0 && !there.includes(keys.store)) throw foreignKeys(keys.prefix);
    await api.create(keys.store, encodeStoreRecord({ id: newId(), history: "" }).toString());
  }
  const record = found ?? (await api.get(keys.store)) ?? "";
  return decodeStoreRecord(Buffer.from(record), keys.prefix).id;
}
