/**
 * The store in memory: the reference that every other engine is held to, and what tests and the simulation run on.
 * It is the pure core of `store/core` and nothing else, so each call has taken effect when it returns its promise.
 */
import type { StoreOptions } from "../core/options.ts";
import { emptyState, type Step, type StoreState } from "../core/state.ts";
import { StateStore } from "../core/state-store.ts";

export class MemoryStore extends StateStore {
  readonly id: string;
  #state = emptyState;

  constructor(options: StoreOptions = {}) {
    super(options, emptyState);
    this.id = this.newId();
  }

  protected get committed(): StoreState {
    return this.#state;
  }

  protected get broken(): boolean {
    return false;
  }

  protected async submit<Result>(apply: (state: StoreState) => Step<Result>): Promise<Result> {
    const { state, events, result } = apply(this.#state);
    this.#state = state;
    if (events.length > 0) this.hub.publish({ revision: state.revision, events });
    return result;
  }

  protected async finish(): Promise<void> {}
}
