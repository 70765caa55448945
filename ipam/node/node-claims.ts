/**
 * What a node asks of the servers: blocks, single addresses, and to take them back. Each answer is journaled
 * before it counts.
 *
 * Always holds: at most one claim of a pool is under way, whoever waits for it; a release is asked for only
 * after the journal says `releasing`, and stays there until a server confirmed it.
 */
import type { Cidr } from "../../addr/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import type { BlockSource } from "../block-source.ts";
import { blockCidrs } from "./block.ts";
import type { CommitQueue } from "./commit-queue.ts";
import type { NodeEffect } from "./node-step.ts";
import { poolStatus } from "./pool-status.ts";

type BlockNeed = Extract<NodeEffect, { readonly kind: "claim block" }>;

export class NodeClaims {
  readonly #source: BlockSource;
  readonly #queue: CommitQueue;
  readonly #claiming = new Map<Cidr, Promise<void>>();
  readonly #releasing = new Set<string>();

  constructor(source: BlockSource, queue: CommitQueue) {
    this.#source = source;
    this.#queue = queue;
  }

  /** Claims what the effects ask for. @throws what the address plan says, or IPAM_UNAVAILABLE */
  async claim(effects: readonly NodeEffect[]): Promise<void> {
    const outcomes = await Promise.allSettled(
      effects.map(async (effect) => {
        if (effect.kind === "claim static") {
          const { network, ip, owner } = effect;
          const claim = await this.#ask(network, () => this.#source.claimStatic({ network, ip, owner }));
          await this.#queue.run({ kind: "static claimed", claim });
        } else if (effect.kind === "claim block") {
          await this.#claimBlock(effect);
        }
      }),
    );
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  /** Gives back what the effects say. What fails is tried again by a later tick. */
  async release(effects: readonly NodeEffect[]): Promise<void> {
    await Promise.all(effects.map((effect) => this.#release(effect)));
  }

  async #release(effect: NodeEffect): Promise<void> {
    if (effect.kind !== "release block" && effect.kind !== "release static") return;
    const id = effect.kind === "release block" ? effect.claim.cidr : effect.claim.ip;
    if (this.#releasing.has(id)) return;
    this.#releasing.add(id);
    try {
      if (effect.kind === "release block") {
        await this.#source.releaseBlock(effect.claim);
        await this.#queue.run({ kind: "block released", claim: effect.claim });
      } else {
        await this.#source.releaseStatic(effect.claim);
        await this.#queue.run({ kind: "static released", claim: effect.claim });
      }
    } catch {
      // The journal remembers it as `releasing`.
    } finally {
      this.#releasing.delete(id);
    }
  }

  async #claimBlock({ network, pools, within }: BlockNeed): Promise<void> {
    let exhausted: unknown;
    for (const pool of pools) {
      try {
        return await this.#claimOnce(network, pool, within);
      } catch (error) {
        if (!isFabricError(error, "IPAM_POOL_EXHAUSTED")) throw error;
        exhausted ??= error;
      }
    }
    throw this.#exhausted(network, pools, exhausted);
  }

  /** Whoever finds that the claim under way was not what it needs asks again. */
  #claimOnce(network: string, pool: Cidr, within: Cidr | undefined): Promise<void> {
    const underWay = this.#claiming.get(pool);
    if (underWay) return underWay;
    const claiming = this.#claimNow(network, pool, within).finally(() => this.#claiming.delete(pool));
    this.#claiming.set(pool, claiming);
    return claiming;
  }

  async #claimNow(network: string, pool: Cidr, within: Cidr | undefined): Promise<void> {
    const held = blockCidrs(this.#queue.state.blocks.values(), pool);
    const request = { network, pool, held, ...(within !== undefined && { within }) };
    const claim = await this.#ask(network, () => this.#source.claimBlock(request));
    await this.#queue.run({ kind: "block claimed", claim });
  }

  /** Passes on what the address plan says; anything else means that the servers cannot be reached. */
  async #ask<T>(network: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (cause) {
      if (isFabricError(cause) && cause.code.startsWith("IPAM_")) throw cause;
      throw new FabricError(
        "IPAM_UNAVAILABLE",
        `claim addresses of network "${network}": this node has none free, and no server answers; let the agent reach one`,
        { cause, details: { network } },
      );
    }
  }

  #exhausted(network: string, pools: readonly Cidr[], cause: unknown): FabricError {
    const here = poolStatus(this.#queue.state, network, undefined)
      .filter(({ pool }) => pools.includes(pool))
      .map(
        ({ used, quarantined }) =>
          `this node has ${used} in use and ${quarantined} at rest after their release`,
      );
    const known = cause instanceof FabricError ? cause : undefined;
    return new FabricError("IPAM_POOL_EXHAUSTED", [known?.message ?? "", ...here].join("; "), {
      cause,
      details: { ...known?.details, network },
    });
  }
}
