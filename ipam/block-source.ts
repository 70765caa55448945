/**
 * Where a node's allocator gets blocks from: the servers, over the agent's control stream, in the epoch that
 * the agent joined with. Tests put a `PoolAuthority` here. An answer that arrives after its request was given
 * up must be dropped, never delivered late.
 */
import type { Cidr, Ip } from "../addr/index.ts";
import type { BlockClaim, LeaseOwner, NetworkRecord, StaticClaim } from "./plan/index.ts";

/** What servers ask of all nodes when blocks are short, or a network is to be deleted. */
export interface EmptyBlocksRequest {
  readonly network: string;
  /** What a node holds for itself in the network is wanted back, too. */
  readonly deleting: boolean;
}

export interface BlockSource {
  /** From the agent's view: answers at once, also without a server. */
  network(name: string): NetworkRecord | undefined;
  /**
   * `held`: the blocks of the pool that the node has, so that one whose answer got lost is answered again.
   * `within`: a part of the pool that the block must lie in.
   * @throws IPAM_POOL_EXHAUSTED, IPAM_STALE_EPOCH, IPAM_NETWORK_NOT_FOUND; anything else means unavailable
   */
  claimBlock(request: {
    readonly network: string;
    readonly pool: Cidr;
    readonly held: readonly Cidr[];
    readonly within?: Cidr;
  }): Promise<BlockClaim>;
  /** Idempotent. */
  releaseBlock(claim: BlockClaim): Promise<void>;
  /** @throws IPAM_ADDRESS_IN_USE, IPAM_ADDRESS_RESERVED, IPAM_ADDRESS_OUTSIDE, and as claimBlock */
  claimStatic(request: {
    readonly network: string;
    readonly ip: Ip;
    readonly owner: LeaseOwner;
  }): Promise<StaticClaim>;
  /** Idempotent. */
  releaseStatic(claim: StaticClaim): Promise<void>;
}
