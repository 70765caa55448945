/**
 * One view as the server holds it for all its subscribers: the content, its digest, and the last changes.
 *
 * A subscriber is a number: the change it was sent last. What it gets next is whatever lies between that and
 * now, merged, so a slow one costs nothing and skips what it missed; one that lies before the kept history
 * gets a snapshot. The usual update (one change behind) is encoded once for everybody.
 *
 * Always holds: revision never goes back; a change that changes nothing is no change; `digest` is that of
 * `items`; history is consecutive up to `#change`.
 */
import { addDigest, emptyDigest, itemDigest, subtractDigest } from "../../digest.ts";
import type { ControlServerLimits } from "../../limits.ts";
import { encodeItems, encodeUnchanged, type ViewContent } from "./view-encoding.ts";
import type { ViewSink } from "./view-source.ts";

interface Change {
  readonly number: number;
  readonly revision: number;
  /** Of the content after this change. */
  readonly digest: bigint;
  /** undefined: deleted. */
  readonly items: ReadonlyMap<string, string | undefined>;
}

type Parts = readonly Uint8Array[];

export class SharedView implements ViewSink {
  readonly name: string;
  readonly #limits: ControlServerLimits;
  readonly #items = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  /** Who is still to be told of a change. */
  #round: IterableIterator<() => void> | undefined;
  #changedAgain = false;
  #history: Change[] = [];
  #historyItems = 0;
  #change = 0;
  #revision = 0;
  #digest = emptyDigest;
  #base: Pick<Change, "revision" | "digest"> = { revision: 0, digest: emptyDigest };
  #cached: { readonly from: number | undefined; readonly change: number; readonly parts: Parts }[] = [];

  constructor(name: string, limits: ControlServerLimits) {
    this.name = name;
    this.#limits = limits;
  }

  get size(): number {
    return this.#items.size;
  }

  load(revision: number, items: ReadonlyMap<string, string>): void {
    const deletes = [...this.#items.keys()].filter((key) => !items.has(key));
    this.change(revision, items, deletes);
  }

  change(revision: number, puts: ReadonlyMap<string, string>, deletes: readonly string[]): void {
    const changed = new Map<string, string | undefined>();
    for (const key of deletes) if (this.#items.has(key)) changed.set(key, undefined);
    for (const [key, json] of puts) if (this.#items.get(key) !== json) changed.set(key, json);
    if (revision > this.#revision) {
      this.#revision = revision;
      this.#cached = [];
    }
    if (changed.size === 0) return;
    for (const [key, json] of changed) this.#set(key, json);
    this.#change += 1;
    this.#cached = [];
    this.#remember({ number: this.#change, revision: this.#revision, digest: this.#digest, items: changed });
    if (this.#round) this.#changedAgain = true;
    else this.#tell(this.#listeners.values());
  }

  /**
   * Calls back after each change, at once if there are few listeners. Thousands of them are told in slices, so that
   * heartbeats and requests are served in between; what changes meanwhile they are told in one. Answers how to stop.
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The change that an agent with this content is at; undefined when it must get a snapshot. */
  locate(revision: number, digest: bigint): number | undefined {
    if (digest === this.#digest) return this.#change;
    const found = this.#history.findLast((change) => change.digest === digest && change.revision <= revision);
    if (found) return found.number;
    return this.#base.digest === digest ? this.#change - this.#history.length : undefined;
  }

  get position(): number {
    return this.#change;
  }

  /** What brings a subscriber from there to `position`. */
  updateFrom(from: number | undefined): Parts {
    const cached = this.#cached.find((each) => each.from === from);
    if (cached) return cached.parts;
    const parts = this.#encode(from);
    this.#cached.push({ from, change: this.#change, parts });
    if (this.#cached.length > cachedUpdatesMax) this.#cached.shift();
    return parts;
  }

  unchanged(): Parts {
    return encodeUnchanged(this.#content());
  }

  #encode(from: number | undefined): Parts {
    const { viewPartBytes } = this.#limits;
    const behind = from === undefined ? Number.POSITIVE_INFINITY : this.#change - from;
    if (behind > this.#history.length)
      return encodeItems(this.#content(), "snapshot", this.#items, [], viewPartBytes);
    const merged = new Map<string, string | undefined>();
    for (const change of this.#history.slice(this.#history.length - behind)) {
      for (const [key, json] of change.items) merged.set(key, json);
    }
    const puts: [string, string][] = [];
    const deletes: string[] = [];
    for (const [key, json] of merged) {
      if (json === undefined) deletes.push(key);
      else puts.push([key, json]);
    }
    return encodeItems(this.#content(), "delta", puts, deletes, viewPartBytes);
  }

  #tell(round: IterableIterator<() => void>): void {
    this.#round = round;
    for (let told = 0; told < toldPerTurn; told++) {
      const { done, value: listener } = round.next();
      if (done) {
        this.#told();
        return;
      }
      listener();
    }
    setImmediate(() => this.#tell(round));
  }

  #told(): void {
    this.#round = undefined;
    if (!this.#changedAgain) return;
    this.#changedAgain = false;
    this.#tell(this.#listeners.values());
  }

  #content(): ViewContent {
    return { view: this.name, revision: this.#revision, digest: this.#digest };
  }

  #set(key: string, json: string | undefined): void {
    const old = this.#items.get(key);
    if (old !== undefined) this.#digest = subtractDigest(this.#digest, itemDigest(key, old));
    if (json === undefined) this.#items.delete(key);
    else {
      this.#items.set(key, json);
      this.#digest = addDigest(this.#digest, itemDigest(key, json));
    }
  }

  #remember(change: Change): void {
    this.#history.push(change);
    this.#historyItems += change.items.size;
    const { historyChangesMax, historyItemsMax } = this.#limits;
    while (this.#history.length > historyChangesMax || this.#historyItems > historyItemsMax) {
      const dropped = this.#history.shift();
      if (!dropped) return;
      this.#historyItems -= dropped.items.size;
      this.#base = dropped;
    }
  }
}

/** Encoded updates that are kept while the view stands: one change behind, and a snapshot, serve nearly all. */
const cachedUpdatesMax = 4;
/** Each is a write to a connection, some 25 µs. */
const toldPerTurn = 256;
