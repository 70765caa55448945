/**
 * Renews a node's term, prompted by heartbeats. The answer names the heartbeat that prompted it: the agent
 * counts its right to allocate from when it sent that one, so time lost on the way never makes it too long.
 */
import type { Clock } from "../../../clock/index.ts";
import { type FabricError, isFabricError } from "../../../errors/index.ts";
import type { NodeTerm } from "../../../ipam/index.ts";
import type { PoolService } from "../calls/pool-service.ts";

export interface TermKeeperOptions {
  readonly pools: Pick<PoolService, "renewNode">;
  readonly clock: Clock;
  readonly random: () => number;
  readonly renewEveryMs: number;
  readonly onRenewed: (sequence: bigint, term: NodeTerm) => void;
  /** The term is over: somebody forgot or replaced the node. */
  readonly onEnded: (error: FabricError) => void;
  readonly onFailure: (error: unknown) => void;
}

export class TermKeeper {
  readonly #options: TermKeeperOptions;
  readonly #node: string;
  #term: NodeTerm;
  #dueAtMs: number;
  #isBusy = false;

  constructor(node: string, term: NodeTerm, options: TermKeeperOptions) {
    this.#node = node;
    this.#term = term;
    this.#options = options;
    this.#dueAtMs = this.#nextDueMs();
  }

  get epoch(): number {
    return this.#term.epoch;
  }

  beat(sequence: bigint): void {
    const { clock, pools, onRenewed, onEnded, onFailure } = this.#options;
    if (this.#isBusy || clock.monotonicMs() < this.#dueAtMs) return;
    this.#isBusy = true;
    pools
      .renewNode(this.#node, this.#term.epoch)
      .then((term) => {
        this.#term = term;
        this.#dueAtMs = this.#nextDueMs();
        onRenewed(sequence, term);
      })
      .catch((error: unknown) =>
        isFabricError(error, "IPAM_STALE_EPOCH") ? onEnded(error) : onFailure(error),
      )
      .finally(() => {
        this.#isBusy = false;
      });
  }

  /** Spread, because all agents join within a second after a server's restart. */
  #nextDueMs(): number {
    const { clock, random, renewEveryMs } = this.#options;
    return (
      clock.monotonicMs() + Math.min(renewEveryMs, this.#term.reclaimAfterMs / 10) * (0.5 + random() / 2)
    );
  }
}
