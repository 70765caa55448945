/**
 * What a server remembers of the claimed blocks of one network, so that finding a free one reads nothing and
 * looks at no more than the blocks next to its start. A hint only: the claim's transaction decides, a wrong
 * entry costs one more attempt. Memory: one entry a claimed block.
 *
 * Search starts at a place made from the node's name: servers that claim at once seldom meet, and a node
 * that comes back is likely to find its old block. From there on the first free block is taken.
 */
import { createHash } from "node:crypto";
import { type Cidr, cidrContainsCidr, cidrPrefix, subnetCount } from "../../addr/index.ts";
import { type BlockClaim, blocksFrom, type NetworkRecord, type PoolRecord } from "../plan/index.ts";

/** Who took a block. No node: all its addresses are static ones, so nobody could use it. */
export type BlockHolder = Pick<BlockClaim, "pool"> & Partial<Pick<BlockClaim, "node" | "epoch">>;

export class BlockIndex {
  readonly network: NetworkRecord;
  readonly loadedAtMs: number;
  readonly #holders = new Map<Cidr, BlockHolder>();
  readonly #taken = new Map<Cidr, number>();
  /** Pools in which a whole search found nothing since the last block came free. */
  readonly #full = new Set<Cidr>();

  constructor(network: NetworkRecord, claims: readonly BlockClaim[], loadedAtMs: number) {
    this.network = network;
    this.loadedAtMs = loadedAtMs;
    for (const claim of claims) this.take(claim.cidr, claim);
  }

  take(block: Cidr, holder: BlockHolder): void {
    if (!this.#holders.has(block)) this.#taken.set(holder.pool, this.takenIn(holder.pool) + 1);
    this.#holders.set(block, holder);
  }

  free(block: Cidr): void {
    const holder = this.#holders.get(block);
    if (!holder) return;
    this.#holders.delete(block);
    this.#taken.set(holder.pool, this.takenIn(holder.pool) - 1);
    this.#full.delete(holder.pool);
  }

  takenIn(pool: Cidr): number {
    return this.#taken.get(pool) ?? 0;
  }

  /** A block of the pool that `node` holds in `epoch` and that is not among `known`. */
  forgottenBy(node: string, epoch: number, pool: Cidr, known: readonly Cidr[]): Cidr | undefined {
    for (const [block, holder] of this.#holders) {
      if (holder.node === node && holder.epoch === epoch && holder.pool === pool && !known.includes(block)) {
        return block;
      }
    }
    return undefined;
  }

  /** The block to try next for `node`, or undefined if the pool, or the part of it, looks full. */
  nextFree(pool: PoolRecord, node: string, within?: Cidr): Cidr | undefined {
    if (within !== undefined) return this.#nextFreeWithin(pool, node, within);
    const count = subnetCount(pool.cidr, pool.blockPrefix);
    if (this.#full.has(pool.cidr) || BigInt(this.takenIn(pool.cidr)) >= count) return undefined;
    for (const block of blocksFrom(pool, preferredStart(pool.cidr, node, count))) {
      if (!this.#holders.has(block)) return block;
    }
    this.#full.add(pool.cidr);
    return undefined;
  }

  #nextFreeWithin(pool: PoolRecord, node: string, within: Cidr): Cidr | undefined {
    if (!cidrContainsCidr(pool.cidr, within) || cidrPrefix(within) > pool.blockPrefix) return undefined;
    const part = { ...pool, cidr: within };
    const count = subnetCount(within, pool.blockPrefix);
    for (const block of blocksFrom(part, preferredStart(within, node, count)))
      if (!this.#holders.has(block)) return block;
    return undefined;
  }
}

function preferredStart(pool: Cidr, node: string, count: bigint): bigint {
  return createHash("sha256").update(`${pool} ${node}`).digest().readBigUInt64BE(0) % count;
}
