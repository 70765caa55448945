/**
 * This process's copy of the store: the state after the log up to `seq`, and how it gets to the end of the log.
 *
 * Always holds: entries are applied in order and each once; after `catchUp` the state has everything that was in the
 * log when it was called. What was trimmed from the log is in a snapshot, and a replica that was away for longer loads
 * that: its watches then end with STORE_COMPACTED.
 */

import { SharedRound } from "../core/shared-round.ts";
import { restoreState } from "../core/state.ts";
import type { WatchHub } from "../core/watch-hub.ts";
import type { ConsulApi } from "./consul-api.ts";
import { applyCommand, decodeEntry, decodeSnapshot, type LogState, type Outcome } from "./log-entry.ts";
import type { LogKeys } from "./log-keys.ts";

const loadAttemptsMax = 10;

export type OnEntry = (writer: string, outcomes: readonly Outcome[]) => void;

export interface Held extends LogState {
  readonly seq: number;
}

export interface ReplicaOptions {
  readonly api: ConsulApi;
  readonly keys: LogKeys;
  readonly hub: WatchHub;
  readonly onEntry: OnEntry;
  /** What was between was not seen. */
  readonly onJump: () => void;
}

export class Replica {
  readonly #options: ReplicaOptions;
  #held: Held;
  #headIndex: number | undefined;
  readonly #rounds = new SharedRound(() => this.#catchUp());

  constructor(options: ReplicaOptions, held: Held) {
    this.#options = options;
    this.#held = held;
  }

  get held(): Held {
    return this.#held;
  }

  /** Consul's index of the snapshot's head, as of the last `catchUp`: who appends under another one is behind. */
  get headIndex(): number | undefined {
    return this.#headIndex;
  }

  /** Callers share what starts after they called. */
  catchUp(): Promise<void> {
    return this.#rounds.join();
  }

  /** An entry that does not follow is passed over: it is there already, or `catchUp` brings what is between. */
  apply(seq: number, text: string): void {
    if (seq !== this.#held.seq + 1) return;
    const { writer, commands } = decodeEntry(text, this.#options.keys.entry(seq));
    let log: LogState = this.#held;
    const batches = [];
    const outcomes: Outcome[] = [];
    for (const command of commands) {
      const { events, outcome, ...next } = applyCommand(log, command);
      log = next;
      outcomes.push(outcome);
      if (events.length > 0) batches.push({ revision: log.state.revision, events });
    }
    this.#held = { seq, state: log.state, hold: log.hold };
    for (const batch of batches) this.#options.hub.publish(batch);
    this.#options.onEntry(writer, outcomes);
  }

  async #catchUp(): Promise<void> {
    const { api, keys } = this.#options;
    for (;;) {
      const { seq } = this.#held;
      const next = keys.entry(seq + 1);
      const found = await api.together([next, keys.snapshotHead]);
      const head = found.get(keys.snapshotHead);
      this.#headIndex = head?.index;
      const entry = found.get(next);
      if (entry) this.apply(seq + 1, entry.value);
      else if (snapshotSeq(head?.value) > this.#held.seq) await this.#reload();
      else return;
    }
  }

  async #reload(): Promise<void> {
    const { api, keys, hub, onJump } = this.#options;
    const held = await loadSnapshot(api, keys);
    if (held.seq <= this.#held.seq) return;
    this.#held = held;
    hub.reset(held.state.revision);
    onJump();
  }
}

/** The latest one, or the empty store. */
export async function loadSnapshot(api: ConsulApi, keys: LogKeys): Promise<Held> {
  for (let attempt = 0; ; attempt++) {
    const seq = snapshotSeq(await api.get(keys.snapshotHead));
    if (seq === 0) return { seq, state: restoreState(1, [], []) };
    const parts: string[] = [];
    for (;;) {
      const part = await api.get(keys.chunk(seq, parts.length));
      if (part === undefined || part === "") break;
      parts.push(part);
    }
    try {
      const { revision, leases, items, hold } = decodeSnapshot(parts.join(""), keys.snapshotHead);
      return { seq, state: restoreState(revision, leases, items), hold };
    } catch (error) {
      // A newer one took its place while it was read.
      if (attempt >= loadAttemptsMax) throw error;
    }
  }
}

export function snapshotSeq(head: string | undefined): number {
  const seq = Number(head ?? 0);
  return Number.isSafeInteger(seq) ? seq : 0;
}
