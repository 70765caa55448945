/**
 * One view as the agent holds it. Pure: updates go in, changes come out.
 *
 * An update is staged until its last part, and counts only if the content after it has the digest that the
 * server says; otherwise the view is left as it was and must be asked for anew. So what is here was, as a
 * whole, the content at the server at `revision`.
 */
import { addDigest, emptyDigest, itemDigest, subtractDigest } from "../digest.ts";
import type { ViewUpdate } from "../proto/gen/fabric_pb.ts";

export interface ViewDelta {
  /** JSON texts. */
  readonly puts: ReadonlyMap<string, string>;
  readonly deletes: readonly string[];
}

export type MirrorStep =
  | { readonly kind: "staged" }
  | { readonly kind: "applied"; readonly delta: ViewDelta }
  /** The update does not fit to what is here. */
  | { readonly kind: "diverged" };

interface Staged {
  readonly kind: "snapshot" | "delta";
  readonly items: Map<string, string | undefined>;
}

export class ViewMirror {
  readonly #items = new Map<string, unknown>();
  readonly #digests = new Map<string, bigint>();
  #staged: Staged | undefined;
  #digest = emptyDigest;
  #revision = 0;

  get items(): ReadonlyMap<string, unknown> {
    return this.#items;
  }

  get revision(): number {
    return this.#revision;
  }

  get digest(): bigint {
    return this.#digest;
  }

  /** What the cache held. The digest is computed, so a damaged cache is found out by the server. */
  restore(revision: number, items: ReadonlyMap<string, string>): void {
    this.#apply({ puts: items, deletes: [] }, new Map());
    this.#revision = revision;
  }

  /** Revisions of another store mean nothing here; the content may still be right. */
  forgetRevision(): void {
    this.#revision = 0;
  }

  /** A new connection begins updates anew. */
  forgetStaged(): void {
    this.#staged = undefined;
  }

  receive({ body, revision, digest, last }: ViewUpdate): MirrorStep {
    switch (body.case) {
      case "unchanged": {
        this.#staged = undefined;
        if (digest !== this.#digest) return { kind: "diverged" };
        this.#revision = Math.max(this.#revision, Number(revision));
        return { kind: "applied", delta: { puts: new Map(), deletes: [] } };
      }
      case "snapshot":
      case "delta": {
        const staged =
          this.#staged?.kind === body.case ? this.#staged : { kind: body.case, items: new Map() };
        this.#staged = staged;
        for (const { key, json } of body.value.puts) staged.items.set(key, json);
        for (const key of body.value.deletes) staged.items.set(key, undefined);
        if (!last) return { kind: "staged" };
        this.#staged = undefined;
        return this.#commit(staged, Number(revision), digest);
      }
      case "refused":
      case undefined:
        return { kind: "diverged" };
      default:
        return body satisfies never;
    }
  }

  #commit(staged: Staged, revision: number, digest: bigint): MirrorStep {
    const puts = new Map<string, string>();
    const deletes: string[] = [];
    const digests = new Map<string, bigint>();
    let after = this.#digest;
    const drop = (key: string) => {
      deletes.push(key);
      after = subtractDigest(after, this.#digests.get(key) ?? emptyDigest);
    };
    if (staged.kind === "snapshot") {
      for (const key of this.#items.keys()) if (!staged.items.has(key)) drop(key);
    }
    for (const [key, json] of staged.items) {
      if (json === undefined) {
        if (this.#items.has(key)) drop(key);
        continue;
      }
      const item = itemDigest(key, json);
      const old = this.#digests.get(key);
      if (item === old) continue;
      puts.set(key, json);
      digests.set(key, item);
      after = addDigest(subtractDigest(after, old ?? emptyDigest), item);
    }
    if (after !== digest) return { kind: "diverged" };
    const delta = { puts, deletes };
    if (!this.#apply(delta, digests)) return { kind: "diverged" };
    this.#revision = revision;
    return { kind: "applied", delta };
  }

  /** False, and nothing has changed, if an item is not JSON. */
  #apply({ puts, deletes }: ViewDelta, digests: ReadonlyMap<string, bigint>): boolean {
    const values = new Map<string, unknown>();
    try {
      for (const [key, json] of puts) values.set(key, JSON.parse(json));
    } catch {
      return false;
    }
    for (const key of deletes) {
      this.#items.delete(key);
      this.#digest = subtractDigest(this.#digest, this.#digests.get(key) ?? emptyDigest);
      this.#digests.delete(key);
    }
    for (const [key, value] of values) {
      const item = digests.get(key) ?? itemDigest(key, puts.get(key) ?? "");
      this.#digest = addDigest(subtractDigest(this.#digest, this.#digests.get(key) ?? emptyDigest), item);
      this.#digests.set(key, item);
      this.#items.set(key, value);
    }
    return true;
  }
}
