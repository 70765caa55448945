/**
 * The node's term, from one welcome to the next. A welcome into another term makes every address of the earlier
 * one void: first no new address is given, then their endpoints are detached, then the new term is entered. What
 * resists is tried again until it is gone, and only some time after that the servers may give the old blocks to
 * other nodes; a crash on the way leaves them to wait for `reclaimAfter`.
 *
 * A store that took the node's term over from another one is a new name for the same term: nothing is given up.
 *
 * Always holds: welcomes are followed one after the other, in the order they came in, so that store and epoch
 * belong together.
 */
import type { Clock } from "../../clock/index.ts";
import type { ServerWelcome } from "../../control/index.ts";
import type { NodeIpam } from "../../ipam/index.ts";
import type { EndpointService } from "../../plugins/index.ts";
import type { Store } from "../../store/index.ts";
import type { Log } from "../process/log.ts";
import { knownPlan, rememberPlan } from "./agent-journal.ts";

/** How long addresses of an earlier term rest before others may have them; also between two tries to say so. */
const quarantineMs = 30_000;
const detachRetryMs = 2000;

export interface TermOptions {
  readonly journal: Store;
  readonly clock: Clock;
  readonly ipam: NodeIpam;
  readonly endpoints: EndpointService;
  /** Tells the servers that nothing of an earlier term of this node is in use any more. */
  readonly relinquish: (epoch: number) => Promise<void>;
  readonly log: Log;
}

export class Term {
  readonly #options: TermOptions;
  #plan: string | undefined;
  #following: Promise<void> = Promise.resolve();
  /** Terms of the present plan whose blocks are still claimed. */
  readonly #owed = new Set<number>();
  #retrying = false;

  static async open(options: TermOptions): Promise<Term> {
    return new Term(options, await knownPlan(options.journal));
  }

  private constructor(options: TermOptions, plan: string | undefined) {
    this.#options = options;
    this.#plan = plan;
  }

  /** What to ask a server to go on with. */
  get held(): { readonly storeId: string; readonly epoch: number } | undefined {
    const epoch = this.#options.ipam.epoch();
    return epoch === undefined || this.#plan === undefined ? undefined : { storeId: this.#plan, epoch };
  }

  /** Resolves when the node is in the term that a server welcomed it into. @throws IPAM_UNAVAILABLE */
  joined(welcome: ServerWelcome): Promise<void> {
    const entering = this.#following.then(() => this.#enter(welcome));
    this.#following = entering.catch(() => undefined);
    return entering;
  }

  async #enter({ storeId, epoch, reclaimAfterMs, sentAtMs, takenOver }: ServerWelcome): Promise<void> {
    const { journal, ipam } = this.#options;
    if (this.#plan !== storeId) {
      const goesOn = takenOver && ipam.epoch() === epoch;
      // Epochs of two stores do not compare; 0 is none of any.
      if (this.#plan !== undefined && !goesOn) await ipam.fence(0, reclaimAfterMs);
      await rememberPlan(journal, storeId);
      this.#plan = storeId;
      this.#owed.clear();
    }
    const earlier = ipam.epoch();
    await ipam.fence(epoch, reclaimAfterMs);
    if (earlier) this.#owed.add(earlier);
    this.#owed.delete(epoch);
    if (earlier !== epoch) await this.clear();
    await ipam.renewed(sentAtMs, epoch, reclaimAfterMs);
  }

  /** Detaches what has no lease any more, by itself again until nothing of it is left. */
  async clear(): Promise<void> {
    const { endpoints, log, clock } = this.#options;
    const errors = await endpoints.detachVoid();
    for (const error of errors)
      log.error({ error }, "detach an endpoint whose addresses are void; it is tried again");
    if (errors.length === 0) {
      for (const epoch of this.#owed) this.#relinquishLater(epoch);
      this.#owed.clear();
    } else if (!this.#retrying) {
      this.#retrying = true;
      clock.setTimer(detachRetryMs, () => {
        this.#retrying = false;
        void this.clear();
      });
    }
  }

  /** The other nodes may still send to the old addresses for a while: these rest like any that was released. */
  #relinquishLater(epoch: number): void {
    const { clock, relinquish, log } = this.#options;
    const plan = this.#plan;
    clock.setTimer(quarantineMs, () => {
      if (this.#plan !== plan) return;
      relinquish(epoch).catch((error: unknown) => {
        log.warn({ error, epoch }, "give the blocks of an earlier term back; it is tried again");
        this.#relinquishLater(epoch);
      });
    });
  }
}
