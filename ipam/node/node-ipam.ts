/**
 * The node's allocator: the effect shell around node-step.ts. Inside of its own blocks it asks nobody: one
 * journal commit, then the answer. It goes to the servers for another block, for an address asked for by name
 * elsewhere, and to give things back; nothing waits for those but the request that needs them.
 *
 * The agent joins and renews: `joined()` after each join, `renewed()` after each renewal, both with the time
 * before the request was sent. After a join into another epoch it takes the endpoints of the answered leases
 * off the fabric before anything else, and may then `relinquish` the old epoch at the server. At its start it
 * removes endpoints that have no lease here, and looks at `fenceStatus()`: it may have died in between.
 */

import type { Ip } from "../../addr/index.ts";
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { BlockSource } from "../block-source.ts";
import {
  type BootClock,
  type FenceStatus,
  fencedError,
  fenceStatus,
  marginDefaultMs,
  reclaimAfterDefaultMs,
} from "../fence.ts";
import {
  type AddressLease,
  type AllocateRequest,
  type BlockClaim,
  familiesOf,
  isSameOwner,
  type LeaseOwner,
  networkNotFound,
  type PoolStatus,
  poolsOfFamily,
  type StaticClaim,
  showOwner,
} from "../plan/index.ts";
import { CommitQueue } from "./commit-queue.ts";
import type { LeaseJournal } from "./lease-journal.ts";
import { NodeClaims } from "./node-claims.ts";
import type { NodeEffect, NodeInput } from "./node-step.ts";
import { poolStatus } from "./pool-status.ts";

export interface NodeIpamOptions {
  readonly journal: LeaseJournal;
  readonly source: BlockSource;
  readonly clock: Clock;
  readonly bootClock: BootClock;
  /** How long a released address rests. Default and minimum by design 30 s; tests may choose less. */
  readonly quarantineMs?: number;
  /** How long before its blocks may be given away the node stops. Default 1 h. */
  readonly marginMs?: number;
  /** Called once each time the node's right to allocate runs out: take these endpoints off the fabric. */
  readonly onFenced?: (leases: readonly AddressLease[]) => void;
}

export const quarantineDefaultMs = 30_000;
/** How often quarantines are ended, releases tried again and the fence looked at. */
export const tickIntervalMs = 5_000;
/** Claims for one allocation: others may take the addresses of a new block first. */
export const claimsPerAllocationMax = 8;

export class NodeIpam {
  readonly #options: NodeIpamOptions;
  readonly #queue: CommitQueue;
  readonly #claims: NodeClaims;
  #wasOpen: boolean;
  #timer: Timer | undefined;

  private constructor(options: NodeIpamOptions, queue: CommitQueue) {
    this.#options = options;
    this.#queue = queue;
    this.#claims = new NodeClaims(options.source, queue);
    this.#wasOpen = this.fenceStatus().kind === "open";
  }

  /** Reads the journal. @throws what the journal throws */
  static async open(options: NodeIpamOptions): Promise<NodeIpam> {
    const { clock, bootClock, quarantineMs = quarantineDefaultMs, marginMs = marginDefaultMs } = options;
    const context = () => ({
      nowMs: clock.monotonicMs(),
      wallMs: clock.wallMs(),
      boot: bootClock.now(),
      quarantineMs,
      marginMs,
    });
    const ipam = new NodeIpam(options, await CommitQueue.open(options.journal, context));
    ipam.#arm();
    return ipam;
  }

  /**
   * One address of each family of the network. Asked again for the same owner it answers the same.
   * @throws IPAM_FENCED, IPAM_NETWORK_NOT_FOUND, IPAM_POOL_EXHAUSTED, IPAM_ADDRESS_IN_USE, IPAM_ADDRESS_OUTSIDE,
   * IPAM_ADDRESS_RESERVED, IPAM_OWNER_HAS_ADDRESS, IPAM_REQUEST_INVALID, IPAM_UNAVAILABLE, IPAM_LIMIT
   */
  async allocate(request: AllocateRequest): Promise<readonly AddressLease[]> {
    const network = this.#options.source.network(request.network);
    try {
      for (let tries = 0; ; tries++) {
        const effects = await this.#queue.run({ kind: "allocate", request, network });
        const leases = answerOf(effects);
        if (leases) return this.#stillOurs(request, leases);
        if (tries >= claimsPerAllocationMax) throw outrun(request);
        await this.#claims.claim(effects);
      }
    } catch (error) {
      if ((request.addresses ?? []).length > 0) {
        await this.#submit({ kind: "abandon", network: request.network, owner: request.owner }).catch(
          () => [],
        );
      }
      throw error;
    }
  }

  /** What was released; nothing if there was nothing. The addresses rest before they are handed out again. */
  async release(network: string | undefined, owner: LeaseOwner): Promise<readonly AddressLease[]> {
    return answerOf(await this.#submit({ kind: "release", network, owner })) ?? [];
  }

  leases(): readonly AddressLease[] {
    return [...this.#queue.state.leases.values()];
  }

  /** What the servers gave this node, whether it is in use or on its way back. */
  holdings(): {
    readonly reclaimAfterMs: number;
    readonly blocks: readonly BlockClaim[];
    readonly statics: readonly StaticClaim[];
  } {
    const { blocks, statics, term } = this.#queue.state;
    return {
      reclaimAfterMs: term?.reclaimAfterMs ?? reclaimAfterDefaultMs,
      blocks: [...blocks.values()].map(({ claim }) => claim),
      statics: [...statics.values()].map(({ claim }) => claim),
    };
  }

  /** Whoever owns it. */
  leaseAt(ip: Ip): AddressLease | undefined {
    return this.#queue.state.leases.get(ip);
  }

  leasesOf(owner: LeaseOwner): readonly AddressLease[] {
    return this.leases().filter((lease) => isSameOwner(lease.owner, owner));
  }

  /** The epoch of the journal, to join with. */
  epoch(): number | undefined {
    return this.#queue.state.term?.epoch;
  }

  fenceStatus(): FenceStatus {
    const { clock, marginMs = marginDefaultMs } = this.#options;
    return fenceStatus(this.#queue.state.term, clock.monotonicMs(), marginMs);
  }

  /** What the node holds of each pool, also of networks that its view does not know any more. */
  status(network?: string): PoolStatus[] {
    const known = network === undefined ? undefined : this.#options.source.network(network);
    return poolStatus(this.#queue.state, network, known);
  }

  /**
   * Makes sure that the next container can have an address of each family, by claiming a block ahead if need
   * be. @throws IPAM_FENCED, IPAM_NETWORK_NOT_FOUND, IPAM_POOL_EXHAUSTED, IPAM_UNAVAILABLE
   */
  async assertCanAllocate(network: string): Promise<void> {
    const fence = this.fenceStatus();
    if (fence.kind === "fenced") throw fencedError(`allocate addresses in network "${network}"`, fence.why);
    const record = this.#options.source.network(network);
    if (!record || record.deleting) throw networkNotFound("use", network);
    for (const family of familiesOf(record)) {
      const pools = poolsOfFamily(record, family).map((pool) => pool.cidr);
      const hasFree = this.status(network).some((status) => status.free > 0 && pools.includes(status.pool));
      if (!hasFree) await this.#claims.claim([{ kind: "claim block", network, pools }]);
    }
  }

  /** A renewal was answered. `atMonotonicMs`: when it was sent. @throws IPAM_STALE_EPOCH, IPAM_UNAVAILABLE */
  async renewed(
    atMonotonicMs: number,
    epoch: number,
    reclaimAfterMs: number = reclaimAfterDefaultMs,
  ): Promise<void> {
    answerOf(await this.#submit({ kind: "renewed", atMs: atMonotonicMs, epoch, reclaimAfterMs }));
    this.#lookAtFence();
  }

  /**
   * The node is in a new epoch: blocks, leases and quarantines of the old one are dropped. Answers the leases
   * whose endpoints must be removed now. @throws IPAM_UNAVAILABLE
   */
  async fence(
    epoch: number,
    reclaimAfterMs: number = reclaimAfterDefaultMs,
  ): Promise<readonly AddressLease[]> {
    return answerOf(await this.#submit({ kind: "fence", epoch, reclaimAfterMs })) ?? [];
  }

  /** A join was answered: enters the epoch if it is another one, then counts as a renewal. */
  async joined(
    atMonotonicMs: number,
    term: { readonly epoch: number; readonly reclaimAfterMs: number },
  ): Promise<readonly AddressLease[]> {
    const gone = await this.fence(term.epoch, term.reclaimAfterMs);
    await this.renewed(atMonotonicMs, term.epoch, term.reclaimAfterMs);
    return gone;
  }

  /** Gives empty blocks back, but keeps one of each pool. */
  async releaseIdleBlocks(network?: string): Promise<void> {
    await this.#submit({ kind: "surrender", network, keep: 1 });
  }

  /** Gives every empty block of the network back, because another node needs one. Resolves when the servers know. */
  async surrenderEmptyBlocks(network: string): Promise<void> {
    await this.#submit({ kind: "surrender", network, keep: 0 });
  }

  /** Ends quarantines, tries releases again, reports a fence that closed. Called by its own timer as well. */
  async tick(): Promise<void> {
    this.#lookAtFence();
    await this.#submit({ kind: "tick" });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#options.clock.setTimer(tickIntervalMs, () => {
      this.#arm();
      this.tick().catch(() => undefined);
    });
  }

  #lookAtFence(): void {
    const isOpen = this.fenceStatus().kind === "open";
    if (this.#wasOpen && !isOpen) this.#options.onFenced?.(this.leases());
    this.#wasOpen = isOpen;
  }

  /** The disk may have taken longer than the term: an address is handed out only while it is the node's. */
  #stillOurs(request: AllocateRequest, leases: readonly AddressLease[]): readonly AddressLease[] {
    const fence = this.fenceStatus();
    const action = `allocate address in network "${request.network}" for ${showOwner(request.owner)}`;
    if (fence.kind === "fenced") throw fencedError(action, fence.why);
    if (leases.some((lease) => lease.epoch !== fence.epoch)) throw fencedError(action, "not renewed");
    return leases;
  }

  /** Runs a step and gives back what it says is to be given back. */
  async #submit(input: NodeInput): Promise<readonly NodeEffect[]> {
    const effects = await this.#queue.run(input);
    await this.#claims.release(effects);
    return effects;
  }
}

function answerOf(effects: readonly NodeEffect[]): readonly AddressLease[] | undefined {
  for (const effect of effects) {
    if (effect.kind === "refuse") throw effect.error;
    if (effect.kind === "answer") return effect.leases;
  }
  return undefined;
}

function outrun(request: AllocateRequest): FabricError {
  return new FabricError(
    "IPAM_CONTENDED",
    `allocate address in network "${request.network}" for ${showOwner(request.owner)}: other containers took the addresses of ${claimsPerAllocationMax} new blocks first; try again`,
  );
}
