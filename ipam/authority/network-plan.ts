/**
 * Makes and deletes networks.
 *
 * Always holds: pools of different networks do not overlap, because every creation rewrites `ipam/plan` and
 * compares it; no claim is made in a network that is gone, because every claim compares the network record,
 * and deletion changes it (`deleting`) before it looks for claims.
 */

import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { RangeResult, Store } from "../../store/index.ts";
import {
  checkPlan,
  decide,
  decodeRecord,
  defineNetwork,
  encodeRecord,
  ipamKeys,
  type NetworkRecord,
  type NetworkSpec,
  networkNotFound,
  readAll,
  readTogether,
  transaction,
} from "../plan/index.ts";

export const networksMax = 1024;

interface PlanMark {
  readonly lastCreatedAtMs: number;
}

/** @throws IPAM_NETWORK_INVALID, IPAM_NETWORK_EXISTS, IPAM_LIMIT */
export async function createNetwork(store: Store, clock: Clock, spec: NetworkSpec): Promise<NetworkRecord> {
  const key = ipamKeys.network(defineNetwork(spec, 0).name);
  return decide(store, `create network "${spec.name}"`, async () => {
    const plan = await readTogether(store, [ipamKeys.plan]);
    const lastMs = plan.get<PlanMark>(ipamKeys.plan)?.lastCreatedAtMs ?? 0;
    const network = defineNetwork(spec, Math.max(clock.wallMs(), lastMs + 1));
    const others = await listNetworks(store);
    if (others.some((other) => other.name === network.name)) {
      throw new FabricError(
        "IPAM_NETWORK_EXISTS",
        `create network "${network.name}": there is one of that name; delete it or choose another name`,
        { details: { network: network.name } },
      );
    }
    if (others.length >= networksMax) {
      throw new FabricError(
        "IPAM_LIMIT",
        `create network "${network.name}": there are ${networksMax} networks, the most that can be; delete one`,
        { details: { limit: "networksMax", value: networksMax } },
      );
    }
    checkPlan(network, others);
    return {
      kind: "write",
      txn: transaction(
        [plan.unchanged(ipamKeys.plan), { key, exists: false }],
        [
          { op: "put", key, value: encodeRecord(network) },
          {
            op: "put",
            key: ipamKeys.plan,
            value: encodeRecord({ lastCreatedAtMs: network.createdAtMs } satisfies PlanMark),
          },
        ],
      ),
      answer: () => network,
    };
  });
}

export async function listNetworks(store: Store): Promise<readonly NetworkRecord[]> {
  const networks: NetworkRecord[] = [];
  for await (const item of readAll(store, ipamKeys.networks)) networks.push(decodeRecord(item));
  return networks;
}

/**
 * Refused while nodes hold blocks or static addresses of it, unless `force`: then the operator vouches that
 * no container uses them. @throws IPAM_NETWORK_NOT_FOUND, IPAM_NETWORK_IN_USE
 */
export async function deleteNetwork(store: Store, name: string, force: boolean): Promise<void> {
  const key = ipamKeys.network(name);
  await decide(store, `delete network "${name}"`, async () => {
    const modRevision = await setDeleting(store, name, true);
    const blocks = await store.range(ipamKeys.blocksOf(name), { limit: 100, keysOnly: true });
    const statics = await store.range(ipamKeys.staticsOf(name), { limit: 100, keysOnly: true });
    if (!force && blocks.items.length + statics.items.length > 0) {
      await setDeleting(store, name, false);
      throw networkInUse(name, blocks, statics);
    }
    return {
      kind: "write",
      txn: transaction(
        [{ key, modRevision }],
        [
          { op: "delete", key },
          { op: "deletePrefix", prefix: ipamKeys.blocksOf(name) },
          { op: "deletePrefix", prefix: ipamKeys.staticsOf(name) },
          { op: "deletePrefix", prefix: ipamKeys.holdsOf(name) },
        ],
      ),
      answer: () => undefined,
    };
  });
}

/** Returns the revision of the record that it wrote. */
async function setDeleting(store: Store, name: string, deleting: boolean): Promise<number> {
  const key = ipamKeys.network(name);
  return decide(store, `delete network "${name}"`, async () => {
    const snapshot = await readTogether(store, [key]);
    const record = snapshot.get<NetworkRecord>(key);
    if (!record) throw networkNotFound("delete", name);
    const { deleting: _, ...rest } = record;
    const next: NetworkRecord = deleting ? { ...rest, deleting: true } : rest;
    return {
      kind: "write",
      txn: transaction([snapshot.unchanged(key)], [{ op: "put", key, value: encodeRecord(next) }]),
      answer: (revision) => revision,
    };
  });
}

function networkInUse(name: string, blocks: RangeResult, statics: RangeResult): FabricError {
  const count = (range: RangeResult) => `${range.items.length}${range.more ? " or more" : ""}`;
  return new FabricError(
    "IPAM_NETWORK_IN_USE",
    `delete network "${name}": nodes hold ${count(blocks)} blocks and ${count(statics)} static addresses of it; stop its containers and wait until their addresses have rested, or delete it with force if none runs`,
    { details: { network: name, blocks: blocks.items.length, statics: statics.items.length } },
  );
}
