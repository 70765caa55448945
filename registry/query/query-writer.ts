/**
 * Makes, changes and deletes prepared queries. A name belongs to one query: it has a key of its own, written
 * under the condition that it is free, so that two servers cannot give it away twice.
 */
import { FabricError } from "../../errors/index.ts";
import type { Compare, Store, Write } from "../../store/index.ts";
import { encodeQuery } from "../codec.ts";
import { queryKey, queryNameKey, sessionKey } from "../keys.ts";
import type { QueryEntry, QueryRecord, SessionEntry } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import { transaction } from "../transaction.ts";
import { assertTemplate } from "./query-template.ts";

export const queriesMax = 4096;
export const queryBytesMax = 8 * 1024;
const attemptsMax = 16;

export class QueryWriter {
  readonly #store: Store;
  readonly #registry: RegistryReads;
  readonly #newId: () => string;

  constructor(store: Store, registry: RegistryReads, newId: () => string) {
    this.#store = store;
    this.#registry = registry;
    this.#newId = newId;
  }

  async create(spec: Omit<QueryRecord, "id">): Promise<{ readonly id: string; readonly revision: number }> {
    if (this.#registry.queries().length >= queriesMax) {
      throw new FabricError(
        "REGISTRY_LIMIT",
        `create a prepared query: there are ${queriesMax} already; delete what is unused`,
        { details: { limit: "queriesMax", max: queriesMax } },
      );
    }
    const id = this.#newId();
    return { id, revision: await this.#write(id, { ...spec, id }) };
  }

  /** @throws REGISTRY_QUERY_NOT_FOUND */
  update(id: string, spec: Omit<QueryRecord, "id">): Promise<number> {
    return this.#write(id, { ...spec, id }, () => {
      throw new FabricError("REGISTRY_QUERY_NOT_FOUND", "Query not found", { details: { id } });
    });
  }

  /** Nothing happens when it is gone already. */
  delete(id: string): Promise<number> {
    return this.#write(id, undefined, () => undefined);
  }

  async #write(id: string, record: QueryRecord | undefined, whenAbsent?: () => void): Promise<number> {
    if (record) assertTemplate(record);
    const value = record && encodeQuery(record);
    if (value && value.length > queryBytesMax)
      throw new FabricError(
        "REGISTRY_INVALID",
        `write a prepared query: it is larger than ${queryBytesMax} bytes`,
      );
    let isSure = false;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const held = this.#registry.query(id);
      const owner = record && isNamed(record) ? this.#registry.queryNamed(record.name) : undefined;
      if ((!held && whenAbsent) || (owner && owner.id !== id)) {
        if (!isSure) {
          await this.#registry.barrier();
          isSure = true;
          continue;
        }
        if (owner && owner.id !== id)
          throw new FabricError("REGISTRY_INVALID", `name '${record?.name}' aliases an existing query name`);
        whenAbsent?.();
        return this.#registry.index;
      }
      const session = record && this.#sessionOf(record);
      if (session === "unknown" && !isSure) {
        await this.#registry.barrier();
        isSure = true;
        continue;
      }
      if (session === "unknown")
        throw new FabricError(
          "REGISTRY_SESSION_INVALID",
          `invalid session ${JSON.stringify(record?.session)}`,
        );
      const { compare, writes } = plan(id, held, record, value);
      if (session) compare.push({ key: sessionKey(session.id), modRevision: session.modifyIndex });
      const { succeeded, revision } = await this.#store.txn(transaction(compare, writes));
      if (succeeded) return revision;
      await this.#registry.applied(revision);
      isSure = true;
    }
    throw new FabricError(
      "REGISTRY_CONTENDED",
      `write prepared query ${id}: other writers were faster; retry later`,
    );
  }
  /** A session that ends takes its queries along, and one that is ending takes no more. */
  #sessionOf({ session }: QueryRecord): SessionEntry | "unknown" | undefined {
    if (session === "") return undefined;
    const held = this.#registry.session(session);
    return held && !held.ending ? held : "unknown";
  }
}

/** Deletes the query and frees its name. */
export function deletionsOf(query: QueryEntry): Write[] {
  const writes: Write[] = [{ op: "delete", key: queryKey(query.id) }];
  if (isNamed(query)) writes.push({ op: "delete", key: queryNameKey(query.name) });
  return writes;
}

/** The template that every name fits has the empty name. */
function isNamed({ name, template }: QueryRecord): boolean {
  return name !== "" || template !== undefined;
}

function plan(
  id: string,
  held: QueryEntry | undefined,
  record: QueryRecord | undefined,
  value: Uint8Array | undefined,
): { readonly compare: Compare[]; readonly writes: Write[] } {
  const key = queryKey(id);
  const compare: Compare[] = [held ? { key, modRevision: held.modifyIndex } : { key, exists: false }];
  const writes: Write[] = value ? [{ op: "put", key, value }] : [{ op: "delete", key }];
  const [before, after] = [held, record].map((one) => one && isNamed(one) && queryNameKey(one.name));
  if (before !== after) {
    if (before) writes.push({ op: "delete", key: before });
    if (after) {
      compare.push({ key: after, exists: false });
      writes.push({ op: "put", key: after, value: new TextEncoder().encode(id) });
    }
  }
  return { compare, writes };
}
