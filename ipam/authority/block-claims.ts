/**
 * Claims of blocks on the server's side: two store round trips each, whatever the size of the pool.
 *
 * Always holds for a claim that was answered: at the moment of its transaction the node's term was the one
 * of its epoch, the network stood and was not being deleted, nobody had the block, and `reserved` names every
 * static address inside of it.
 */

import { addressCount, type Cidr, type Ip, subnetCount } from "../../addr/index.ts";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { Store } from "../../store/index.ts";
import {
  type BlockClaim,
  type Decision,
  decide,
  decodeRecord,
  encodeRecord,
  ipamKeys,
  type NetworkRecord,
  type NodeTerm,
  networkNotFound,
  type PoolRecord,
  readAll,
  readTogether,
  type Snapshot,
  transaction,
  unusableIn,
  usableCount,
} from "../plan/index.ts";
import { offsetOf } from "../recovery/index.ts";
import { BlockIndex } from "./block-index.ts";
import { checkTerm } from "./node-terms.ts";

/** An index that misleads is read again from the store, but not more often than this. */
const indexRefreshMs = 1000;

export interface ClaimBlockRequest {
  readonly network: string;
  readonly pool: Cidr;
  /** Blocks that the node knows it holds. One that it does not know (its answer got lost) is answered again. */
  readonly held?: readonly Cidr[];
  /** A part of the pool that the block must lie in. */
  readonly within?: Cidr;
}

/** The static addresses inside of one block. */
export interface BlockHold {
  readonly ips: readonly Ip[];
}

export class BlockClaims {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #indexes = new Map<string, Promise<BlockIndex>>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @throws IPAM_STALE_EPOCH, IPAM_NETWORK_NOT_FOUND, IPAM_REQUEST_INVALID, IPAM_POOL_EXHAUSTED, IPAM_CONTENDED */
  claim(node: string, epoch: number, request: ClaimBlockRequest): Promise<BlockClaim> {
    const action = `claim block of pool ${request.pool} for node "${node}"`;
    return decide(this.#store, action, () => this.#attempt(node, epoch, request));
  }

  async #attempt(node: string, epoch: number, request: ClaimBlockRequest): Promise<Decision<BlockClaim>> {
    const index = await this.#indexOf(request.network);
    const wanted = index.network.pools.find((pool) => pool.cidr === request.pool);
    if (!wanted) {
      if (this.#refresh(index)) return { kind: "again" };
      throw noSuchPool(index.network, request.pool);
    }
    const forgotten = request.held && index.forgottenBy(node, epoch, wanted.cidr, request.held);
    const block = forgotten ?? index.nextFree(wanted, node, request.within);
    if (block === undefined) {
      if (this.#refresh(index)) return { kind: "again" };
      throw exhausted(request, wanted, index);
    }
    const keys = {
      term: ipamKeys.node(node),
      network: ipamKeys.network(request.network),
      block: ipamKeys.block(request.network, block),
      hold: ipamKeys.hold(request.network, block),
      recovery: ipamKeys.recovery,
    };
    const snapshot = await readTogether(this.#store, Object.values(keys));
    const offset = offsetOf(snapshot, `claim block of pool ${request.pool} for node "${node}"`);
    checkTerm(snapshot.get<NodeTerm>(keys.term), node, epoch);
    const network = standing(snapshot, request.network);
    if (network.createdAtMs !== index.network.createdAtMs) {
      this.#indexes.delete(request.network);
      return { kind: "again" };
    }
    const holds = snapshot.get<BlockHold>(keys.hold)?.ips ?? [];
    const holder = snapshot.get<BlockClaim>(keys.block);
    if (holder && block === forgotten && holder.node === node && holder.epoch === epoch) {
      const reserved = [...new Set([...holder.reserved, ...holds])];
      return { kind: "answer", answer: { ...holder, reserved } };
    }
    if (holder) {
      index.take(block, holder);
      this.#refresh(index);
      return { kind: "again" };
    }
    if (block === forgotten) {
      index.free(block);
      return { kind: "again" };
    }
    const claim: BlockClaim = {
      network: network.name,
      networkCreatedAtMs: network.createdAtMs,
      pool: wanted.cidr,
      cidr: block,
      node,
      epoch,
      serial: snapshot.revision + 1 + offset,
      reserved: [...new Set([...unusableIn(wanted, block), ...holds])],
    };
    if (BigInt(claim.reserved.length) === addressCount(block)) {
      index.take(block, { pool: wanted.cidr });
      return { kind: "again" };
    }
    return {
      kind: "write",
      txn: transaction(
        Object.values(keys).map((key) => snapshot.unchanged(key)),
        [{ op: "put", key: keys.block, value: encodeRecord(claim) }],
      ),
      answer: () => {
        index.take(block, claim);
        return claim;
      },
    };
  }

  /** Gives a block back. Nothing happens if that very claim is gone already. */
  async release(claim: BlockClaim): Promise<void> {
    const key = ipamKeys.block(claim.network, claim.cidr);
    await decide(this.#store, `release block ${claim.cidr}`, async () => {
      const snapshot = await readTogether(this.#store, [key]);
      const stored = snapshot.get<BlockClaim>(key);
      if (!stored || !isSameClaim(stored, claim)) return { kind: "answer", answer: undefined };
      return {
        kind: "write",
        txn: transaction([snapshot.unchanged(key)], [{ op: "delete", key }]),
        answer: () => undefined,
      };
    });
    await this.noteFreed(claim);
  }

  async noteFreed(claim: Pick<BlockClaim, "network" | "cidr">): Promise<void> {
    (await this.#indexes.get(claim.network))?.free(claim.cidr);
  }

  forgetNetwork(network: string): void {
    this.#indexes.delete(network);
  }

  /** True if the index was old enough to be dropped. */
  #refresh(index: BlockIndex): boolean {
    if (this.#clock.monotonicMs() - index.loadedAtMs < indexRefreshMs) return false;
    this.#indexes.delete(index.network.name);
    return true;
  }

  #indexOf(network: string): Promise<BlockIndex> {
    const known = this.#indexes.get(network);
    if (known) return known;
    const loading = this.#load(network);
    this.#indexes.set(network, loading);
    loading.catch(() => this.#indexes.delete(network));
    return loading;
  }

  async #load(name: string): Promise<BlockIndex> {
    const loadedAtMs = this.#clock.monotonicMs();
    const network = standing(await readTogether(this.#store, [ipamKeys.network(name)]), name);
    const claims: BlockClaim[] = [];
    for await (const item of readAll(this.#store, ipamKeys.blocksOf(name))) claims.push(decodeRecord(item));
    return new BlockIndex(network, claims, loadedAtMs);
  }
}

export function isSameClaim(
  a: Pick<BlockClaim, "node" | "epoch" | "serial">,
  b: Pick<BlockClaim, "node" | "epoch" | "serial">,
): boolean {
  return a.node === b.node && a.epoch === b.epoch && a.serial === b.serial;
}

/** The network, unless it is gone or going. @throws IPAM_NETWORK_NOT_FOUND */
export function standing(snapshot: Snapshot, name: string): NetworkRecord {
  const network = snapshot.get<NetworkRecord>(ipamKeys.network(name));
  if (!network || network.deleting) throw networkNotFound("use", name);
  return network;
}

function noSuchPool(network: NetworkRecord, cidr: Cidr): FabricError {
  return new FabricError(
    "IPAM_REQUEST_INVALID",
    `claim block of pool ${cidr}: network "${network.name}" has no such pool; it has ${network.pools.map((candidate) => candidate.cidr).join(", ")}`,
    { details: { network: network.name, pool: cidr } },
  );
}

function exhausted(request: ClaimBlockRequest, pool: PoolRecord, index: BlockIndex): FabricError {
  const size = usableCount(pool);
  const blocks = subnetCount(pool.cidr, pool.blockPrefix);
  const taken = index.takenIn(pool.cidr);
  if (request.within !== undefined) {
    return new FabricError(
      "IPAM_POOL_EXHAUSTED",
      `claim block of network "${request.network}": no block of /${pool.blockPrefix} in ${request.within} is free; stop containers, or choose a larger range`,
      { details: { network: request.network, pool: pool.cidr, range: request.within } },
    );
  }
  return new FabricError(
    "IPAM_POOL_EXHAUSTED",
    `claim block of network "${request.network}": pool ${pool.cidr} is full (${size} addresses in ${blocks} blocks of /${pool.blockPrefix}, ${taken} taken, none free); stop containers or add a pool`,
    {
      details: {
        network: request.network,
        pool: pool.cidr,
        size: String(size),
        blocks: String(blocks),
        blocksTaken: taken,
      },
    },
  );
}
