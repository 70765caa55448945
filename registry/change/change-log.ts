/**
 * The latest changes, for readers that follow a part of them from a revision on. A reader is a cursor into one
 * shared, bounded log, not a queue of its own: ten thousand slow readers hold nothing back, and one that falls off
 * the end is told so.
 *
 * Always holds: a cursor gets every change under its prefix after its position once, in order of revision and path,
 * or ends with REGISTRY_COMPACTED. A cursor that has all that there is sleeps until a change concerns it; sleeping
 * is no lag. Cost: a change looks up the prefixes that sleepers wait for, by their distinct lengths.
 */
import { FabricError } from "../../errors/index.ts";
import { PrefixTable } from "../wait/prefix-table.ts";
import type { Change, ChangeBatch } from "./change.ts";

export const changesMax = 20_000;
/** Of keys and values in the log; they are shared with what the store remembers. */
export const changeBytesMax = 32 * 1024 * 1024;

/** After a whole revision, or after the first `seen` changes of it that the reader follows. */
export interface ChangePosition {
  readonly revision: number;
  readonly seen?: number;
}

/** Used by one reader, which calls `take` until there is nothing, then `wait`. */
export interface ChangeCursor {
  /** Everything up to here is taken. */
  readonly revision: number;
  /** The next changes; `seen` is how many of the revision came before them. @throws REGISTRY_COMPACTED */
  take(): (ChangeBatch & { readonly seen: number }) | undefined;
  /** Resolves when there may be something to take, or the signal aborts. */
  wait(signal: AbortSignal): Promise<void>;
  close(): void;
}

export class ChangeLog {
  readonly #changesMax: number;
  readonly #bytesMax: number;
  /** By rising revision; the first `#head` are dropped already. */
  #batches: ChangeBatch[] = [];
  #head = 0;
  #changes = 0;
  #bytes = 0;
  #revision = 0;
  #floor = 0;
  readonly #sleepers = new PrefixTable<Set<Cursor>>();

  constructor(limits: { readonly changesMax?: number; readonly changeBytesMax?: number } = {}) {
    this.#changesMax = limits.changesMax ?? changesMax;
    this.#bytesMax = limits.changeBytesMax ?? changeBytesMax;
  }

  get revision(): number {
    return this.#revision;
  }

  /** The oldest revision that is here whole: who has seen the one before may go on. */
  get floor(): number {
    return this.#floor;
  }

  /** What happened up to `revision` is not known one by one. */
  reset(revision: number): void {
    this.#batches = [];
    this.#head = 0;
    this.#changes = 0;
    this.#bytes = 0;
    this.#revision = Math.max(revision, this.#revision);
    this.#floor = this.#revision + 1;
    for (const cursors of [...this.#sleepers.values()]) for (const cursor of [...cursors]) cursor.wake(0);
  }

  append(revision: number, changes: readonly Change[]): void {
    this.#revision = Math.max(revision, this.#revision);
    if (changes.length === 0 || revision < this.#floor) return;
    this.#batches.push({ revision, changes });
    this.#changes += changes.length;
    this.#bytes += bytesOf(changes);
    this.#trim();
    if (this.#sleepers.size === 0) return;
    for (const { path } of changes)
      for (const prefix of this.#sleepers.prefixesOf(path))
        for (const cursor of [...(this.#sleepers.get(prefix) ?? [])]) cursor.wake(revision);
  }

  follow(prefix: string, after: ChangePosition): ChangeCursor {
    return new Cursor(this, prefix, after);
  }

  /** The first batch from `revision` on, cut down to the prefix. @throws REGISTRY_COMPACTED */
  first(prefix: string, revision: number): ChangeBatch | undefined {
    if (revision < this.#floor) {
      throw new FabricError(
        "REGISTRY_COMPACTED",
        `follow changes after revision ${Math.max(0, revision - 1)}: they are known from revision ${this.#floor} on; start again without a revision`,
        { details: { since: Math.max(0, revision - 1), floor: this.#floor } },
      );
    }
    for (let at = this.#indexOf(revision); at < this.#batches.length; at++) {
      const batch = this.#batches[at] as ChangeBatch;
      const changes = batch.changes.filter(({ path }) => path.startsWith(prefix));
      if (changes.length > 0) return { revision: batch.revision, changes };
    }
    return undefined;
  }

  sleep(prefix: string, cursor: Cursor): void {
    const cursors = this.#sleepers.get(prefix) ?? new Set();
    this.#sleepers.set(prefix, cursors.add(cursor));
  }

  awake(prefix: string, cursor: Cursor): void {
    const cursors = this.#sleepers.get(prefix);
    cursors?.delete(cursor);
    if (cursors?.size === 0) this.#sleepers.delete(prefix);
  }

  /** Of the first batch that is not before `revision`. */
  #indexOf(revision: number): number {
    let low = this.#head;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#batches[middle] as ChangeBatch).revision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #trim(): void {
    while (this.#changes > this.#changesMax || this.#bytes > this.#bytesMax) {
      const oldest = this.#batches[this.#head++];
      if (!oldest) break;
      this.#changes -= oldest.changes.length;
      this.#bytes -= bytesOf(oldest.changes);
      this.#floor = oldest.revision + 1;
    }
    if (this.#head > 0 && this.#head * 2 >= this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
      this.#head = 0;
    }
  }
}

class Cursor implements ChangeCursor {
  readonly #log: ChangeLog;
  readonly #prefix: string;
  /** The revision to look at next, and how much of it was seen. */
  #next: number;
  #seen: number;
  #sleeping = false;
  #resolve: (() => void) | undefined;

  constructor(log: ChangeLog, prefix: string, { revision, seen }: ChangePosition) {
    this.#log = log;
    this.#prefix = prefix;
    this.#next = seen === undefined ? revision + 1 : revision;
    this.#seen = seen ?? 0;
  }

  get revision(): number {
    return this.#sleeping ? this.#log.revision : this.#next - 1;
  }

  take(): (ChangeBatch & { readonly seen: number }) | undefined {
    if (this.#sleeping) return undefined;
    const batch = this.#log.first(this.#prefix, this.#next);
    if (!batch) {
      this.#next = Math.max(this.#next, this.#log.revision + 1);
      this.#seen = 0;
      this.#sleeping = true;
      this.#log.sleep(this.#prefix, this);
      return undefined;
    }
    const seen = batch.revision === this.#next ? this.#seen : 0;
    this.#next = batch.revision + 1;
    this.#seen = 0;
    if (seen >= batch.changes.length) return this.take();
    return { revision: batch.revision, changes: batch.changes.slice(seen), seen };
  }

  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#sleeping || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const onAbort = () => this.#resolve?.();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#resolve = () => {
        this.#resolve = undefined;
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
    });
  }

  /** What was slept through did not concern it; at revision 0 it finds out that it cannot know. */
  wake(revision: number): void {
    if (!this.#sleeping) return;
    this.#next = revision === 0 ? 0 : Math.max(revision, this.#next);
    this.close();
  }

  close(): void {
    this.#sleeping = false;
    this.#log.awake(this.#prefix, this);
    this.#resolve?.();
  }
}

function bytesOf(changes: readonly Change[]): number {
  let bytes = 0;
  for (const { path, subject } of changes)
    bytes += path.length + (subject.kind === "kv" ? subject.entry.value.length : 0);
  return bytes;
}
