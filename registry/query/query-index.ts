/**
 * Prepared queries by id, by name and by prefix. A name is looked for as an id, as the name of a query without a
 * template, then among the templates, of which the longest prefix wins. Names differ in more than case.
 */
import { FabricError } from "../../errors/index.ts";
import { EntryList } from "../catalog/entry-list.ts";
import type { QueryEntry } from "../model.ts";
import { renderQuery } from "./query-template.ts";

/** No query answers for a longer name. */
export const queryNameBytesMax = 512;

export class QueryIndex {
  readonly #entries: EntryList<QueryEntry>;
  /** Folded name → id. */
  readonly #ids = new Map<string, string>();
  #prefixBytesMax = 0;

  constructor(mark: () => void) {
    this.#entries = new EntryList(mark);
  }

  put(query: QueryEntry): void {
    this.#forgetName(query.id);
    if (query.name !== "" || query.template) this.#ids.set(query.name.toLowerCase(), query.id);
    if (query.template) this.#prefixBytesMax = Math.max(this.#prefixBytesMax, query.name.length);
    this.#entries.put(query);
  }

  delete(id: string): void {
    this.#forgetName(id);
    this.#entries.delete(id);
  }

  get(id: string): QueryEntry | undefined {
    return this.#entries.get(id);
  }

  /** Oldest first. */
  list(): QueryEntry[] {
    return this.#entries.list();
  }

  named(name: string): QueryEntry | undefined {
    return this.#entries.get(this.#ids.get(name.toLowerCase()) ?? "");
  }

  /** As it is to be executed. @throws REGISTRY_INVALID for the id of a template */
  resolve(nameOrId: string): QueryEntry | undefined {
    const byId = this.#entries.get(nameOrId);
    if (byId?.template)
      throw new FabricError(
        "REGISTRY_INVALID",
        "prepared query templates can only be resolved up by name, not by ID",
      );
    if (byId || Buffer.byteLength(nameOrId) > queryNameBytesMax) return byId;
    const exact = nameOrId === "" ? undefined : this.named(nameOrId);
    if (exact && !exact.template) return exact;
    const template = this.#templateFor(nameOrId);
    return template && renderQuery(template, nameOrId);
  }

  #templateFor(name: string): QueryEntry | undefined {
    const folded = name.toLowerCase();
    for (let length = Math.min(folded.length, this.#prefixBytesMax); length >= 0; length--) {
      const found = this.#entries.get(this.#ids.get(folded.slice(0, length)) ?? "");
      if (found?.template) return found;
    }
    return undefined;
  }

  #forgetName(id: string): void {
    const held = this.#entries.get(id);
    if (held && this.#ids.get(held.name.toLowerCase()) === id) this.#ids.delete(held.name.toLowerCase());
  }
}
