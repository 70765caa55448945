/**
 * Runs steps one after the other and journals them in groups: while one group is being written, the next
 * gathers, so many containers that start at once share an fsync.
 *
 * Always holds: nobody gets the effects of a step before its changes are on disk; and when a commit fails,
 * the state is read again from the journal before any other step, as nobody knows what reached the disk.
 */
import { FabricError } from "../../errors/index.ts";
import type { JournalChange, LeaseJournal } from "./lease-journal.ts";
import { type NodeState, restoreState, type StepContext } from "./node-state.ts";
import { type NodeEffect, type NodeInput, step } from "./node-step.ts";

/** A group is closed at so many changes; one step makes at most as many again. A store takes 128 in a transaction. */
const changesPerCommit = 64;
/** Steps that wait. Above it a step is refused at once. */
export const waitingStepsMax = 4096;

interface Waiting {
  readonly input: NodeInput;
  readonly resolve: (effects: readonly NodeEffect[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Outcome {
  readonly waiting: Waiting;
  effects: readonly NodeEffect[];
}

export class CommitQueue {
  readonly #journal: LeaseJournal;
  readonly #context: () => StepContext;
  readonly #waiting: Waiting[] = [];
  #state: NodeState;
  #isCertain = true;
  #running = false;

  private constructor(journal: LeaseJournal, context: () => StepContext, state: NodeState) {
    this.#journal = journal;
    this.#context = context;
    this.#state = state;
  }

  static async open(journal: LeaseJournal, context: () => StepContext): Promise<CommitQueue> {
    return new CommitQueue(journal, context, restoreState(await journal.load(), context()));
  }

  get state(): NodeState {
    return this.#state;
  }

  /** @throws IPAM_UNAVAILABLE when the journal fails, IPAM_LIMIT */
  run(input: NodeInput): Promise<readonly NodeEffect[]> {
    if (this.#waiting.length >= waitingStepsMax) {
      return Promise.reject(
        new FabricError(
          "IPAM_LIMIT",
          `change leases: ${waitingStepsMax} changes wait for the journal; try again`,
          {
            details: { limit: "waitingStepsMax", value: waitingStepsMax },
          },
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, resolve, reject });
      void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.#waiting.length > 0) await this.#runGroup();
    this.#running = false;
  }

  async #runGroup(): Promise<void> {
    const group: Outcome[] = [];
    const changes: JournalChange[] = [];
    try {
      if (!this.#isCertain) this.#state = await this.#reload();
      let state = this.#state;
      while (changes.length < changesPerCommit) {
        const waiting = this.#waiting.shift();
        if (!waiting) break;
        const outcome: Outcome = { waiting, effects: [] };
        group.push(outcome);
        const result = step(state, waiting.input, this.#context());
        state = result.state;
        outcome.effects = result.effects;
        changes.push(...result.changes);
      }
      if (changes.length > 0) await this.#commit(changes);
      this.#state = state;
      for (const { waiting, effects } of group) waiting.resolve(effects);
    } catch (error) {
      // Without a state nobody can be served: all who wait hear of it.
      const failed = group.length > 0 ? group.map(({ waiting }) => waiting) : this.#waiting.splice(0);
      for (const { reject } of failed) reject(error);
    }
  }

  async #commit(changes: readonly JournalChange[]): Promise<void> {
    this.#isCertain = false;
    try {
      await this.#journal.commit(changes);
    } catch (cause) {
      throw journalFailed("write", cause);
    }
    this.#isCertain = true;
  }

  async #reload(): Promise<NodeState> {
    try {
      const state = restoreState(await this.#journal.load(), this.#context());
      this.#isCertain = true;
      return state;
    } catch (cause) {
      throw journalFailed("read", cause);
    }
  }
}

function journalFailed(verb: string, cause: unknown): FabricError {
  return new FabricError(
    "IPAM_UNAVAILABLE",
    `${verb} the journal of leases: it failed, so no address was handed out; look at the disk of the agent's data directory`,
    { cause },
  );
}
