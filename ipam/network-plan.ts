/**
 * Makes and deletes networks.
 *
 * Always holds: pools of different networks do not overlap, because every creation rewrites `ipam/plan` and
 * compares it; no claim is made in a network that is gone, because every claim compares the network record,
 * and deletion changes it (`deleting`) before it looks for claims.
 */
import type { Clock } from "../clock/index.ts";
import { FabricError } from "../errors/index.ts";
import type { Store } from "../store/index.ts";
import { checkPlan, defineNetwork, type NetworkRecord, type NetworkSpec } from "./network.ts";
import { decide, readAll, readTogether } from "./plan-reader.ts";
import { decodeRecord, encodeRecord, ipamKeys } from "./records.ts";

export const networksMax = 1024;

/** @throws IPAM_NETWORK_INVALID, IPAM_NETWORK_EXISTS, IPAM_LIMIT */
export async function createNetwork(store: Store, clock: Clock, spec: NetworkSpec): Promise<NetworkRecord> {
  const network = defineNetwork(spec, clock.wallMs());
  const key = ipamKeys.network(network.name);
  return decide(store, `create network "${network.name}"`, async () => {
    const plan = await readTogether(store, [ipamKeys.plan]);
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
      txn: {
        compare: [plan.unchanged(ipamKeys.plan), { key, exists: false }],
        then: [
          { op: "put", key, value: encodeRecord(network) },
          { op: "put", key: ipamKeys.plan, value: encodeRecord({ lastCreated: network.name }) },
        ],
      },
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
  await setDeleting(store, name, true);
  const blocks = await store.range(ipamKeys.blocksOf(name), { limit: 100, keysOnly: true });
  const statics = await store.range(ipamKeys.staticsOf(name), { limit: 100, keysOnly: true });
  if (!force && blocks.items.length + statics.items.length > 0) {
    await setDeleting(store, name, false);
    const count = (range: typeof blocks) => `${range.items.length}${range.more ? " or more" : ""}`;
    throw new FabricError(
      "IPAM_NETWORK_IN_USE",
      `delete network "${name}": nodes hold ${count(blocks)} blocks and ${count(statics)} static addresses of it; stop its containers, or delete it with force if none runs`,
      { details: { network: name, blocks: blocks.items.length, statics: statics.items.length } },
    );
  }
  await store.txn({
    then: [
      { op: "delete", key: ipamKeys.network(name) },
      { op: "deletePrefix", prefix: ipamKeys.blocksOf(name) },
      { op: "deletePrefix", prefix: ipamKeys.staticsOf(name) },
      { op: "deletePrefix", prefix: ipamKeys.holdsOf(name) },
    ],
  });
}

async function setDeleting(store: Store, name: string, deleting: boolean): Promise<void> {
  const key = ipamKeys.network(name);
  await decide(store, `delete network "${name}"`, async () => {
    const snapshot = await readTogether(store, [key]);
    const record = snapshot.get<NetworkRecord>(key);
    if (!record) throw networkNotFound("delete", name);
    const { deleting: _, ...rest } = record;
    const next: NetworkRecord = deleting ? { ...rest, deleting: true } : rest;
    return {
      kind: "write",
      txn: { compare: [snapshot.unchanged(key)], then: [{ op: "put", key, value: encodeRecord(next) }] },
      answer: () => undefined,
    };
  });
}

export function networkNotFound(action: string, name: string): FabricError {
  return new FabricError(
    "IPAM_NETWORK_NOT_FOUND",
    `${action} network "${name}": there is none of that name; create it with \`heddle network create\``,
    { details: { network: name } },
  );
}
