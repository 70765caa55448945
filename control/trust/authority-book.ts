/**
 * The fabric's authorities in the store: made by the first server that needs them, read anew for each certificate, and taken
 * through a rotation one transaction a step, so that a server may fall at any moment and another goes on.
 *
 * Always holds: a fabric that has nodes is not given another authority silently: theirs is lost then, and an operator says so.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { Store, StoreItem } from "../../store/index.ts";
import { Authority, createAuthority, createBridge } from "./authority.ts";
import { type AuthorityState, believedOf, moved, nextStep, stepOf } from "./authority-state.ts";
import { followPrefix } from "./follow-prefix.ts";
import type { IssuedRecord } from "./issued.ts";
import { fingerprintOf } from "./join-token.ts";
import { authorityKey, decode, get, issuedPrefix, put } from "./keys.ts";
import type { TrustLimits } from "./limits.ts";

/** As it was read: whoever writes by it compares the revision. */
export interface AuthorityNow {
  readonly state: AuthorityState;
  readonly modRevision: number;
  readonly authority: Authority;
}

const followRetryMs = 500;

export class AuthorityBook {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: TrustLimits;
  readonly #listeners = new Set<() => void>();
  #opened: AuthorityNow | undefined;
  #following: AbortController | undefined;

  constructor(store: Store, clock: Clock, limits: TrustLimits) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** @throws CONTROL_AUTHORITY_LOST, STORE_UNAVAILABLE */
  async now(): Promise<AuthorityNow> {
    const item = await this.#read();
    return item ? this.#open(item) : this.#make();
  }

  /** As now, for who does not sign: without reading the key. @throws CONTROL_AUTHORITY_LOST, STORE_UNAVAILABLE */
  async state(): Promise<AuthorityState> {
    const item = await this.#read();
    return item ? stateOf(item) : (await this.#make()).state;
  }

  /** Told after each change, until the answer is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    if (!this.#following) {
      const following = new AbortController();
      this.#following = following;
      void this.#follow(following.signal);
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#following?.abort();
      this.#following = undefined;
    };
  }

  /** @throws CONTROL_ROTATION_UNDER_WAY, CONTROL_AUTHORITY_LOST */
  async rotate(): Promise<AuthorityState> {
    const { state, modRevision } = await this.now();
    if (stepOf(state) !== "steady") throw underWay();
    const nowMs = this.#clock.wallMs();
    const { certificate, key } = await createAuthority(state.fabric, nowMs);
    const rotating: AuthorityState = { ...state, next: { certificate, key }, stepSinceMs: nowMs };
    if (!(await this.#replace(modRevision, rotating))) throw underWay();
    return rotating;
  }

  /** The next step of a rotation, if it is time. Answers the state that it led to. */
  async advance(): Promise<AuthorityState | undefined> {
    const item = await this.#read();
    if (!item) return undefined;
    const { state } = this.#open(item);
    if (stepOf(state) === "steady") return undefined;
    const nowMs = this.#clock.wallMs();
    const step = nextStep(state, await this.issued(), nowMs, this.#limits.rotationStepMs);
    if (step === undefined) return undefined;
    const after = step === "move" ? this.#move(state, nowMs) : step;
    return (await this.#replace(item.modRevision, after)) ? after : undefined;
  }

  /** A new authority in place of whatever is there: nothing that was signed before is good. */
  async reset(): Promise<AuthorityState> {
    const item = await this.#read();
    const before = item && readable(() => this.#open(item))?.state;
    const made = await createAuthority(before?.fabric ?? randomUUID(), this.#clock.wallMs());
    const after: AuthorityState = { ...made, resets: (before?.resets ?? 0) + 1 };
    if (!(await this.#replace(item?.modRevision ?? 0, after))) throw underWay();
    return after;
  }

  async issued(): Promise<readonly IssuedRecord[]> {
    const { items } = await this.#store.range(issuedPrefix);
    return items.map((item) => decode<IssuedRecord>(item));
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const tell = () => {
      for (const listener of this.#listeners) listener();
    };
    while (!signal.aborted) {
      try {
        return await followPrefix(this.#store, this.#clock, authorityKey, signal, tell);
      } catch {
        await this.#clock.sleep(followRetryMs, signal).catch(() => undefined);
      }
    }
  }

  #move(state: AuthorityState, nowMs: number): AuthorityState {
    const { bridgeMs } = this.#limits;
    const certificate = createBridge(state, state.next?.certificate ?? "", bridgeMs, nowMs);
    return moved(state, { certificate, untilMs: nowMs + bridgeMs }, nowMs);
  }

  #open(item: StoreItem): AuthorityNow {
    const opened = this.#opened;
    if (opened?.modRevision === item.modRevision) return opened;
    const state = stateOf(item);
    try {
      const authority = new Authority(state);
      this.#opened = { state, modRevision: item.modRevision, authority };
      return this.#opened;
    } catch (cause) {
      throw lost("its record in the store cannot be read", cause);
    }
  }

  async #make(): Promise<AuthorityNow> {
    if ((await this.#store.range(issuedPrefix, { limit: 1 })).items.length > 0)
      throw lost("the store has none any more, and nodes with certificates of one");
    await this.#replace(0, await createAuthority(randomUUID(), this.#clock.wallMs()));
    return this.now();
  }

  /** False where another was quicker. */
  async #replace(modRevision: number, state: AuthorityState): Promise<boolean> {
    const { succeeded } = await this.#store.txn({
      compare: [{ key: authorityKey, modRevision }],
      success: [put(authorityKey, state)],
    });
    return succeeded;
  }

  async #read(): Promise<StoreItem | undefined> {
    const { results } = await this.#store.txn({ success: [get(authorityKey)] });
    const [found] = results;
    return found?.op === "get" ? found.item : undefined;
  }
}

function stateOf(item: StoreItem): AuthorityState {
  try {
    const state = decode<AuthorityState>(item);
    for (const certificate of believedOf(state)) fingerprintOf(certificate);
    return state;
  } catch (cause) {
    throw lost("its record in the store cannot be read", cause);
  }
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function underWay(): FabricError {
  return new FabricError(
    "CONTROL_ROTATION_UNDER_WAY",
    "rotate the authority: a rotation is under way; see `heddle ca status`, and try again when it is steady",
  );
}

function lost(why: string, cause?: unknown): FabricError {
  return new FabricError(
    "CONTROL_AUTHORITY_LOST",
    `use the fabric's authority: ${why}; restore the store from a backup, or make another with \`heddle ca reset\` and let the nodes in again`,
    { cause },
  );
}
