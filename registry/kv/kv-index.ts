/**
 * The key/value store in memory: point reads from a map, prefix reads from sorted keys.
 *
 * The index of a key is its ModifyIndex, that of an absent key its tombstone. The index of a prefix is the
 * largest below it, tombstones included; it is remembered for the prefixes that are asked for, because clients
 * poll the same few prefixes over 100,000 keys.
 */
import type { KvEntry } from "../model.ts";
import { PrefixTable } from "../wait/prefix-table.ts";
import { KvTimes } from "./kv-times.ts";
import { OrderedKeys, prefixEnd } from "./ordered-keys.ts";
import { Tombstones } from "./tombstones.ts";

export const prefixIndexesMax = 1024;

export class KvIndex {
  readonly #entries = new Map<string, KvEntry>();
  /** Session → keys that it holds. */
  readonly #held = new Map<string, Set<string>>();
  readonly #keys = new OrderedKeys();
  readonly #buriedKeys = new OrderedKeys();
  readonly #tombstones = new Tombstones({ onForget: (key) => this.#buriedKeys.delete(key) });
  readonly #prefixIndexes = new PrefixTable<number>();

  readonly times: KvTimes;

  /** `parted` is told of leases whose key and time are no longer together. */
  constructor(parted: (lease: string) => void = () => undefined) {
    this.times = new KvTimes(parted);
  }

  get size(): number {
    return this.#entries.size;
  }

  get tombstoneCount(): number {
    return this.#tombstones.size;
  }

  raiseFloor(revision: number): void {
    this.#tombstones.raiseFloor(revision);
  }

  get(key: string): KvEntry | undefined {
    return this.#entries.get(key);
  }

  /** Its time is over although it is still here. */
  isOutOfTime({ lease }: KvEntry): boolean {
    return lease !== undefined && !this.times.lasts(lease);
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  put(entry: KvEntry): void {
    if (!this.#entries.has(entry.key)) this.#keys.add(entry.key);
    const before = this.#entries.get(entry.key);
    this.#hold(entry.key, before?.session, entry.session);
    this.times.wrote(entry.key, before?.lease, entry.lease);
    this.#entries.set(entry.key, entry);
    if (this.#tombstones.exhume(entry.key)) this.#buriedKeys.delete(entry.key);
    this.#moved(entry.key, entry.modifyIndex);
  }

  /** False when there was no such key. */
  delete(key: string, revision: number): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#hold(key, entry.session, undefined);
    this.times.wrote(key, entry.lease, undefined);
    this.#entries.delete(key);
    this.#keys.delete(key);
    this.#buriedKeys.add(key);
    this.#tombstones.bury(key, revision);
    this.#moved(key, revision);
    return true;
  }

  /** In order of key. */
  heldBy(session: string): KvEntry[] {
    return [...(this.#held.get(session) ?? [])].sort().flatMap((key) => this.#entries.get(key) ?? []);
  }

  /** The first `max` in order of key. */
  list(prefix: string, max = Number.POSITIVE_INFINITY): KvEntry[] {
    const found: KvEntry[] = [];
    for (const key of this.#keys.withPrefix(prefix)) {
      const entry = this.#entries.get(key);
      if (entry) found.push(entry);
      if (found.length >= max) break;
    }
    return found;
  }

  /** With a separator the keys below a cut one are skipped, not visited. */
  listKeys(prefix: string, separator = ""): string[] {
    if (separator === "") return [...this.#keys.withPrefix(prefix)];
    const found: string[] = [];
    let key = this.#keys.first(prefix);
    while (key?.startsWith(prefix)) {
      const at = key.indexOf(separator, prefix.length);
      const cut = at < 0 ? key : key.slice(0, at + separator.length);
      found.push(cut);
      const next = at < 0 ? `${key}\u0000` : prefixEnd(cut);
      key = next === undefined ? undefined : this.#keys.first(next);
    }
    return found;
  }

  indexOf(key: string): number {
    return this.#entries.get(key)?.modifyIndex ?? this.#tombstones.get(key) ?? this.#tombstones.floor;
  }

  indexOfPrefix(prefix: string): number {
    let index = this.#prefixIndexes.get(prefix);
    if (index === undefined) {
      index = this.#computeIndex(prefix);
      this.#prefixIndexes.set(prefix, index);
      const oldest = this.#prefixIndexes.oldest();
      if (this.#prefixIndexes.size > prefixIndexesMax && oldest !== undefined)
        this.#prefixIndexes.delete(oldest);
    }
    return Math.max(index, this.#tombstones.floor);
  }

  #hold(key: string, before: string | undefined, after: string | undefined): void {
    if (before === after) return;
    if (before !== undefined) {
      const keys = this.#held.get(before);
      keys?.delete(key);
      if (keys?.size === 0) this.#held.delete(before);
    }
    if (after !== undefined) this.#held.set(after, (this.#held.get(after) ?? new Set()).add(key));
  }

  #computeIndex(prefix: string): number {
    let index = 0;
    for (const key of this.#keys.withPrefix(prefix))
      index = Math.max(index, this.#entries.get(key)?.modifyIndex ?? 0);
    for (const key of this.#buriedKeys.withPrefix(prefix))
      index = Math.max(index, this.#tombstones.get(key) ?? 0);
    return index;
  }

  #moved(key: string, revision: number): void {
    for (const prefix of this.#prefixIndexes.prefixesOf(key))
      this.#prefixIndexes.set(prefix, Math.max(revision, this.#prefixIndexes.get(prefix) ?? 0));
  }
}
