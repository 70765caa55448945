/** Use of a network's pools as the store knows it: blocks and static addresses, not the leases inside of blocks. */

import { addressCount, type Cidr, type Ip, subnetCount } from "../../addr/index.ts";
import type { Store } from "../../store/index.ts";
import {
  type BlockClaim,
  ipamKeys,
  type NetworkRecord,
  networkNotFound,
  readStored,
  readTogether,
  type StaticClaim,
  usableCount,
} from "../plan/index.ts";

/** Counts are decimal text where an IPv6 pool exceeds a double. */
export interface PoolUse {
  readonly network: string;
  readonly pool: Cidr;
  /** Addresses that can ever be handed out. */
  readonly size: string;
  readonly blockPrefix: number;
  readonly blocks: string;
  readonly blocksClaimed: number;
  /** Addresses in claimed blocks, those that are never handed out left aside. */
  readonly addressesClaimed: string;
  readonly byNode: readonly {
    readonly node: string;
    readonly epoch: number;
    readonly blocks: readonly Cidr[];
  }[];
  readonly statics: readonly { readonly ip: Ip; readonly node: string }[];
}

/** @throws IPAM_NETWORK_NOT_FOUND */
export async function poolUse(store: Store, name: string): Promise<readonly PoolUse[]> {
  const snapshot = await readTogether(store, [ipamKeys.network(name)]);
  const network = snapshot.get<NetworkRecord>(ipamKeys.network(name));
  if (!network) throw networkNotFound("show", name);
  const blocks = (await readStored<BlockClaim>(store, ipamKeys.blocksOf(name))).map(({ record }) => record);
  const statics = (await readStored<StaticClaim>(store, ipamKeys.staticsOf(name))).map(
    ({ record }) => record,
  );
  return network.pools.map((pool) => {
    const claims = blocks.filter((claim) => claim.pool === pool.cidr);
    return {
      network: name,
      pool: pool.cidr,
      size: String(usableCount(pool)),
      blockPrefix: pool.blockPrefix,
      blocks: String(subnetCount(pool.cidr, pool.blockPrefix)),
      blocksClaimed: claims.length,
      addressesClaimed: String(
        claims.reduce((sum, claim) => sum + addressCount(claim.cidr) - BigInt(claim.reserved.length), 0n),
      ),
      byNode: groupByNode(claims),
      statics: statics.filter((claim) => claim.pool === pool.cidr).map(({ ip, node }) => ({ ip, node })),
    };
  });
}

function groupByNode(claims: readonly BlockClaim[]): PoolUse["byNode"] {
  const groups = Map.groupBy(claims, (claim) => `${claim.epoch} ${claim.node}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first ? [{ node: first.node, epoch: first.epoch, blocks: group.map((claim) => claim.cidr) }] : [];
  });
}
