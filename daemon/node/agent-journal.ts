/**
 * The agent's own file: leases, endpoints, registrations, views for the time without a server, what the host was
 * like before. One store of the same engine as the fabric's, so that one durability is proved once.
 */
import { join } from "node:path";
import type { Clock } from "../../clock/index.ts";
import type { HostState, HostStateJournal } from "../../overlay/index.ts";
import { openStore, type Store } from "../../store/index.ts";

const fileName = "agent.sqlite";
const hostStateKey = "host-state";
const planKey = "address-plan";

export function journalPath(dataDir: string): string {
  return join(dataDir, fileName);
}

/** @throws STORE_LOCKED when another agent has it, STORE_CORRUPT */
export function openAgentJournal(dataDir: string, clock: Clock): Promise<Store> {
  return openStore(`sqlite:${journalPath(dataDir)}`, { clock });
}

export function hostStateJournal(store: Store): HostStateJournal {
  return {
    load: () => readJson<HostState>(store, hostStateKey),
    save: (state) => writeJson(store, hostStateKey, state),
  };
}

/** Id of the store whose address plan the journal's leases are of. */
export function knownPlan(store: Store): Promise<string | undefined> {
  return readJson<string>(store, planKey);
}

export function rememberPlan(store: Store, storeId: string): Promise<void> {
  return writeJson(store, planKey, storeId);
}

/** Undefined when nothing was written under the key. */
export async function readJson<T>(store: Store, key: string): Promise<T | undefined> {
  const { results } = await store.txn({ success: [{ op: "get", key }] });
  const [found] = results;
  return found?.op === "get" && found.item
    ? (JSON.parse(Buffer.from(found.item.value).toString()) as T)
    : undefined;
}

export async function writeJson(store: Store, key: string, value: unknown): Promise<void> {
  await store.txn({ success: [{ op: "put", key, value: Buffer.from(JSON.stringify(value)) }] });
}
