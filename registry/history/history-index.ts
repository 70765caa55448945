/**
 * The history of keys in memory: rules by prefix, versions by key, in order of revision. Pure; told changes in any
 * order (pages of a load are), asked for one key at a time.
 */
import { PrefixTable } from "../wait/prefix-table.ts";
import type { HistoryCut, HistoryRule, KvVersion } from "./history-model.ts";

interface Stored {
  readonly version: KvVersion;
  readonly bytes: number;
}

interface StoredCut extends HistoryCut {
  readonly revision: number;
}

export class HistoryIndex {
  readonly #rules = new PrefixTable<
    HistoryRule & { readonly revision: number; readonly createRevision: number }
  >();
  /** Key → name → version. */
  readonly #versions = new Map<string, Map<string, Stored>>();
  readonly #cuts = new Map<string, StoredCut>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** In order of prefix. */
  rules(): readonly HistoryRule[] {
    const rules = [...this.#rules.values()].map(({ prefix, versions, ageMs }) => ({
      prefix,
      versions,
      ageMs,
    }));
    return rules.sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
  }

  /** The rule that the key falls under. */
  ruleOf(key: string): HistoryRule | undefined {
    if (this.#rules.size === 0) return undefined;
    const [longest] = this.#rules.prefixesOf(key).sort((a, b) => b.length - a.length);
    return longest === undefined ? undefined : this.#rules.get(longest);
  }

  /** Whether any rule is about keys under the prefix. */
  touches(prefix: string): boolean {
    if (this.#rules.size === 0) return false;
    return this.ruleOf(prefix) !== undefined || this.rules().some((rule) => rule.prefix.startsWith(prefix));
  }

  /** In order of revision; only what is kept. */
  versions(key: string): readonly KvVersion[] {
    // What no rule watched over in between is not known whole.
    const since = this.#since(key);
    const cuts = [...this.#cuts.values()].filter(({ prefix }) => key.startsWith(prefix));
    const ofTrees = cuts.map(({ revision, atMs }): KvVersion => ({ key, revision, atMs, action: "delete" }));
    const stored = [...(this.#versions.get(key)?.values() ?? [])].map(({ version }) => version);
    // Of one transaction the tree went first: what was written before it in there left no version.
    const all = [...ofTrees, ...stored].filter(({ revision }) => revision >= since);
    all.sort((a, b) => a.revision - b.revision);
    // A tree that was deleted says nothing of a key that was not there.
    return all.filter((each, at) => !ofTrees.includes(each) || all[at - 1]?.action === "put");
  }

  /** Of the versions of a key, oldest first. */
  names(key: string): readonly string[] {
    const stored = [...(this.#versions.get(key) ?? [])];
    return stored.sort(([, a], [, b]) => a.version.revision - b.version.revision).map(([name]) => name);
  }

  /** The rule of those about the key that has been there longest. */
  #since(key: string): number {
    const rules = this.#rules.prefixesOf(key).map((prefix) => this.#rules.get(prefix)?.createRevision ?? 0);
    return rules.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...rules);
  }

  keys(): IterableIterator<string> {
    return this.#versions.keys();
  }

  cuts(): readonly (StoredCut & { readonly name: string })[] {
    const cuts = [...this.#cuts].map(([name, cut]) => ({ ...cut, name }));
    return cuts.sort((a, b) => a.revision - b.revision);
  }

  stored(key: string, name: string): KvVersion | undefined {
    return this.#versions.get(key)?.get(name)?.version;
  }

  bytesOf(key: string, name: string): number {
    return this.#versions.get(key)?.get(name)?.bytes ?? 0;
  }

  putRule(rule: HistoryRule, revision: number, createRevision: number): void {
    this.#rules.set(rule.prefix, { ...rule, revision, createRevision });
  }

  deleteRule(prefix: string): void {
    this.#rules.delete(prefix);
  }

  ruleRevision(prefix: string): number {
    return this.#rules.get(prefix)?.revision ?? 0;
  }

  put(name: string, version: KvVersion, bytes: number): void {
    this.delete(version.key, name);
    const ofKey = this.#versions.get(version.key) ?? new Map<string, Stored>();
    this.#versions.set(version.key, ofKey.set(name, { version, bytes }));
    this.#bytes += bytes;
  }

  delete(key: string, name: string): void {
    const ofKey = this.#versions.get(key);
    this.#bytes -= ofKey?.get(name)?.bytes ?? 0;
    ofKey?.delete(name);
    if (ofKey?.size === 0) this.#versions.delete(key);
  }

  putCut(name: string, cut: HistoryCut, revision: number): void {
    this.#cuts.set(name, { ...cut, revision });
  }

  deleteCut(name: string): void {
    this.#cuts.delete(name);
  }

  cutRevision(name: string): number {
    return this.#cuts.get(name)?.revision ?? 0;
  }
}

/** What readers may ask. */
export type HistoryReads = Pick<
  HistoryIndex,
  "bytes" | "rules" | "ruleOf" | "touches" | "versions" | "names" | "keys" | "cuts" | "stored" | "bytesOf"
>;
