/**
 * The server's side of the address plan, over any store. It holds no truth: any number of servers may run
 * one, and any may be killed at any time. What each instance does hold is when it first saw each term's last
 * renewal, so reclaiming waits at least `reclaimAfter` of its own monotonic clock.
 */

import type { Clock } from "../../clock/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { Store } from "../../store/index.ts";
import type { BlockSource, EmptyBlocksRequest } from "../block-source.ts";
import { reclaimAfterDefaultMs } from "../fence.ts";
import {
  type BlockClaim,
  ipamKeys,
  type NetworkRecord,
  type NetworkSpec,
  type NodeTerm,
  readStored,
  type StaticClaim,
} from "../plan/index.ts";
import { isGathering, Recovery } from "../recovery/index.ts";
import { BlockClaims, type ClaimBlockRequest } from "./block-claims.ts";
import { createNetwork, deleteNetwork, listNetworks } from "./network-plan.ts";
import { confirmTerm, joinNode, nodeNotFound, renewNode, retireDeadNode, retireNode } from "./node-terms.ts";
import { type PoolUse, poolUse } from "./pool-use.ts";
import { endTerm, type ReclaimedTerm, readTerms, sweepOrphans, TermWatch, termKey } from "./reclaim.ts";
import { type ClaimStaticRequest, claimStatic, releaseStatic } from "./static-claims.ts";

export interface PoolAuthorityOptions {
  /** How long a node keeps what it holds without renewing. Default 24 h. */
  readonly reclaimAfterMs?: number;
  /** Key that is in the store while a node is alive; absent: no node counts as such. */
  readonly liveKeyOf?: (node: string) => string;
  /**
   * Asks all nodes to give empty blocks back, and resolves when they had the time to. Called before a pool is
   * reported as exhausted, and before a network is reported as in use.
   */
  readonly askForEmptyBlocks?: (request: EmptyBlocksRequest) => Promise<void>;
}

export class PoolAuthority {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #options: PoolAuthorityOptions;
  readonly #blocks: BlockClaims;
  readonly #watch: TermWatch;
  /** Claims of a server that died between two transactions of a reclaim wait for a sweep. */
  #swept = false;

  constructor(store: Store, clock: Clock, options: PoolAuthorityOptions = {}) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
    this.#blocks = new BlockClaims(store, clock);
    this.#watch = new TermWatch(clock);
  }

  /** @throws IPAM_NETWORK_INVALID, IPAM_NETWORK_EXISTS, IPAM_LIMIT */
  createNetwork(spec: NetworkSpec): Promise<NetworkRecord> {
    return createNetwork(this.#store, this.#clock, spec);
  }

  /** @throws IPAM_NETWORK_NOT_FOUND, IPAM_NETWORK_IN_USE unless `force` */
  async deleteNetwork(name: string, { force = false }: { readonly force?: boolean } = {}): Promise<void> {
    const ask = this.#options.askForEmptyBlocks;
    try {
      await deleteNetwork(this.#store, name, force);
    } catch (error) {
      if (!ask || !isFabricError(error, "IPAM_NETWORK_IN_USE")) throw error;
      await ask({ network: name, deleting: true });
      await deleteNetwork(this.#store, name, force);
    }
    this.#blocks.forgetNetwork(name);
  }

  networks(): Promise<readonly NetworkRecord[]> {
    return listNetworks(this.#store);
  }

  /** @throws IPAM_NETWORK_NOT_FOUND */
  poolUse(network: string): Promise<readonly PoolUse[]> {
    return poolUse(this.#store, network);
  }

  /** Terms that stand and terms that wait to be reclaimed. */
  async terms(): Promise<readonly NodeTerm[]> {
    return (await readTerms(this.#store)).map(({ record }) => record);
  }

  /**
   * `heldEpoch` is the epoch of the node's journal, if it has one, of the store `storeId` (default: this one). Another
   * epoch in the answer means that the node must give up everything of the old one before it uses the new, and so does
   * another store, unless the term is `madeIn` that. @throws IPAM_RECOVERING, IPAM_LIMIT, IPAM_CONTENDED
   */
  joinNode(node: string, heldEpoch?: number, storeId?: string): Promise<NodeTerm> {
    const held =
      heldEpoch === undefined ? undefined : { epoch: heldEpoch, ...(storeId !== undefined && { storeId }) };
    return joinNode(this.#store, node, held, this.#reclaimAfterMs);
  }

  /** @throws IPAM_STALE_EPOCH */
  renewNode(node: string, epoch: number): Promise<NodeTerm> {
    return renewNode(this.#store, node, epoch, this.#reclaimAfterMs);
  }

  /** @throws IPAM_STALE_EPOCH, IPAM_NETWORK_NOT_FOUND, IPAM_REQUEST_INVALID, IPAM_POOL_EXHAUSTED, IPAM_CONTENDED */
  async claimBlock(node: string, epoch: number, request: ClaimBlockRequest): Promise<BlockClaim> {
    const ask = this.#options.askForEmptyBlocks;
    try {
      return await this.#blocks.claim(node, epoch, request);
    } catch (error) {
      if (!ask || !isFabricError(error, "IPAM_POOL_EXHAUSTED")) throw error;
    }
    await ask({ network: request.network, deleting: false });
    this.#blocks.forgetNetwork(request.network);
    return this.#blocks.claim(node, epoch, request);
  }

  releaseBlock(claim: BlockClaim): Promise<void> {
    return this.#blocks.release(claim);
  }

  /** @throws IPAM_STALE_EPOCH, IPAM_NETWORK_NOT_FOUND, IPAM_ADDRESS_OUTSIDE, IPAM_ADDRESS_RESERVED, IPAM_ADDRESS_IN_USE */
  claimStatic(node: string, epoch: number, request: ClaimStaticRequest): Promise<StaticClaim> {
    return claimStatic(this.#store, node, epoch, request);
  }

  releaseStatic(claim: StaticClaim): Promise<void> {
    return releaseStatic(this.#store, claim);
  }

  /** @throws IPAM_STALE_EPOCH unless the node is in that term */
  confirmTerm(node: string, epoch: number): Promise<void> {
    return confirmTerm(this.#store, node, epoch);
  }

  /**
   * The node may renew no longer, and what it holds is freed `reclaimAfter` after its last renewal. With
   * `force` at once: the operator vouches that no container of it runs. Of a node that is alive only what it held in
   * earlier terms, and the answer is false. @throws IPAM_NODE_NOT_FOUND, IPAM_NODE_ALIVE
   */
  async forgetNode(node: string, options: { readonly force?: boolean } = {}): Promise<boolean> {
    if (!options.force) {
      await retireNode(this.#store, node);
      return true;
    }
    const { liveKeyOf } = this.#options;
    const isGone = liveKeyOf
      ? await retireDeadNode(this.#store, node, liveKeyOf(node))
      : await retireNode(this.#store, node).then(() => true);
    const terms = await readStored<NodeTerm>(this.#store, ipamKeys.retiredOf(node));
    if (terms.length === 0) throw nodeNotFound(node);
    for (const { record } of terms) await this.relinquish(record.node, record.epoch);
    return isGone;
  }

  /** What a node holds, by its own word, while the plan is gathered. @throws IPAM_RECOVERY_STATE, IPAM_REQUEST_INVALID, IPAM_LIMIT */
  restate(node: string, statement: string, record: unknown): Promise<void> {
    return new Recovery(this.#store, this.#clock).restate(node, statement, record);
  }

  /** A node that came back in a new term confirms that nothing of the old one is in use any more. */
  async relinquish(node: string, epoch: number): Promise<void> {
    const terms = await readStored<NodeTerm>(this.#store, ipamKeys.retiredOf(node));
    const term = terms.find(({ record }) => record.epoch === epoch);
    if (term) await this.#end(this.#store, term);
    await this.#sweep(this.#store);
  }

  /** Notes since when terms were not renewed, so that this server may reclaim them when its turn comes. */
  async lookAtTerms(): Promise<void> {
    this.#watch.expired((await readTerms(this.#store)).map(({ record }) => record));
  }

  /**
   * Frees what terms hold whose time is over, by writes through `store`. To be called about once a minute by the server that
   * does so for all.
   * @throws STORE_UNAVAILABLE; nothing is lost by that, the next tick goes on
   */
  async reclaimTick(store: Store = this.#store): Promise<readonly ReclaimedTerm[]> {
    // What nodes have not stated yet looks as if nobody held it.
    if (await isGathering(this.#store)) return [];
    const terms = await readTerms(this.#store);
    const expired = new Set(this.#watch.expired(terms.map(({ record }) => record)).map(termKey));
    const ended: NodeTerm[] = [];
    const freed: BlockClaim[] = [];
    for (const term of terms) {
      if (!expired.has(termKey(term.record))) continue;
      const blocks = await this.#end(store, term);
      if (!blocks) continue;
      ended.push(term.record);
      freed.push(...blocks);
    }
    if (ended.length > 0 || !this.#swept) freed.push(...(await this.#sweep(store)));
    return ended.map(({ node, epoch }) => ({
      node,
      epoch,
      blocks: freed.filter((block) => block.node === node && block.epoch === epoch),
    }));
  }

  /** For a node in the same process, and for tests. `network` answers from `networks`, the node's view. */
  asBlockSource(
    node: string,
    epoch: () => number,
    networks: ReadonlyMap<string, NetworkRecord>,
  ): BlockSource {
    return {
      network: (name) => networks.get(name),
      claimBlock: async (request) => this.claimBlock(node, epoch(), request),
      releaseBlock: (claim) => this.releaseBlock(claim),
      claimStatic: async (request) => this.claimStatic(node, epoch(), request),
      releaseStatic: (claim) => this.releaseStatic(claim),
    };
  }

  get #reclaimAfterMs(): number {
    return this.#options.reclaimAfterMs ?? reclaimAfterDefaultMs;
  }

  /** The blocks that went with the term, or undefined if it was renewed or moved meanwhile. */
  async #end(store: Store, term: Parameters<typeof endTerm>[1]): Promise<readonly BlockClaim[] | undefined> {
    const freed = await endTerm(store, term);
    for (const block of freed ?? []) await this.#blocks.noteFreed(block);
    return freed;
  }

  async #sweep(store: Store): Promise<readonly BlockClaim[]> {
    const freed = await sweepOrphans(store);
    for (const block of freed) await this.#blocks.noteFreed(block);
    this.#swept = true;
    return freed;
  }
}
