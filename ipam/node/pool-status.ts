/** How full a node's share of each pool is. */
import { type Cidr, cidrContains } from "../../addr/index.ts";
import type { NetworkRecord, PoolStatus } from "../plan/index.ts";
import { blockCidrs, countCells } from "./block.ts";
import type { NodeState } from "./node-state.ts";

/** Every pool that the node holds something of, and those of `known`; of one network if `name` is given. */
export function poolStatus(
  state: NodeState,
  name: string | undefined,
  known: NetworkRecord | undefined,
): PoolStatus[] {
  const { blocks, leases, rests } = state;
  const pools = new Map<Cidr, string>();
  for (const { cidr } of known?.pools ?? []) pools.set(cidr, known?.name ?? "");
  for (const { claim } of blocks.values()) pools.set(claim.pool, claim.network);
  for (const { pool, network } of leases.values()) pools.set(pool, network);
  return [...pools]
    .filter(([, network]) => name === undefined || network === name)
    .map(([pool, network]) => {
      const own = [...blocks.values()].filter((block) => block.claim.pool === pool);
      return {
        network,
        pool,
        blocks: blockCidrs(own, pool),
        capacity: own.reduce((sum, block) => sum + block.map.length - countCells(block, "reserved"), 0),
        used: [...leases.values()].filter((lease) => lease.pool === pool).length,
        quarantined: [...rests.keys()].filter((ip) => cidrContains(pool, ip)).length,
        free: own.reduce((sum, block) => sum + (block.releasing ? 0 : block.free), 0),
      };
    });
}
