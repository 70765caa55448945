/**
 * Everything of a store that outlasts it: what a snapshot holds, and with it who may do what, the fabric's authority with its
 * key, revocations, networks, and the address plan. It makes another store the same fabric, so whoever has it can be any node.
 *
 * Left out is what would be wrong or dangerous later: sessions and what hangs on leases, what agents state again, join
 * tokens (one that was used up would be good again), history.
 *
 * Always holds: it is put into an empty store only, which then gathers the address plan from the nodes before it lets one in
 * (docs/decisions/019-recovery.md): the plan of a backup may be older than what nodes hold.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { gatheringMark, ipamKeys } from "../../ipam/index.ts";
import {
  isSnapshotRecord,
  type Registry,
  type SnapshotRecord,
  snapshotRecords,
  withNames,
} from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";

const prefixes = ["acl/", "trust/", "ipam/"];
const leftOut = ["trust/tokens/", ipamKeys.recovery, ipamKeys.restated];
const pageItems = 1000;

export interface WholeBackup {
  readonly revision: number;
  readonly records: Iterable<SnapshotRecord>;
}

/** @throws STORE_UNAVAILABLE */
export async function wholeBackup(store: Store, registry: Registry): Promise<WholeBackup> {
  const own: SnapshotRecord[] = [];
  for (const prefix of prefixes) {
    let from: string | undefined;
    do {
      const page = await store.range(prefix, { limit: pageItems, ...(from !== undefined && { from }) });
      for (const { key, value, lease } of page.items)
        if (lease === undefined && isOwn(key)) own.push({ key, value });
      const last = page.items.at(-1);
      from = page.more && last ? `${last.key}\0` : undefined;
    } while (from !== undefined);
  }
  await registry.barrier();
  const { revision, records } = snapshotRecords(registry);
  function* all(): Generator<SnapshotRecord> {
    yield* own;
    yield* records;
  }
  return { revision, records: all() };
}

/** In one revision. @throws DAEMON_STORE_IN_USE, REGISTRY_SNAPSHOT_INVALID, STORE_LIMIT */
export async function restoreWhole(
  store: Store,
  clock: Clock,
  records: readonly SnapshotRecord[],
): Promise<void> {
  const strange = records.find((record) => !isOwn(record.key) && !isSnapshotRecord(record));
  if (strange) {
    throw new FabricError(
      "REGISTRY_SNAPSHOT_INVALID",
      `restore a whole store: the archive holds ${JSON.stringify(strange.key.slice(0, 80))}, which none holds or which cannot be read; nothing was changed`,
      { details: { key: strange.key.slice(0, 200) } },
    );
  }
  if ((await store.range("", { limit: 1, keysOnly: true })).items.length > 0) {
    throw new FabricError(
      "DAEMON_STORE_IN_USE",
      "restore a whole store: this one is not empty; name a new file, or another --store-prefix, and start the servers over that. Nothing was changed",
    );
  }
  const items = [...withNames(records), gatheringMark(clock.wallMs())];
  await store.replace({ items, replaces: () => true });
}

function isOwn(key: string): boolean {
  return (
    prefixes.some((prefix) => key.startsWith(prefix)) && !leftOut.some((prefix) => key.startsWith(prefix))
  );
}
