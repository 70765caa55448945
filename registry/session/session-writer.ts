/**
 * Makes, renews and ends sessions.
 *
 * A session ends in two steps. The first marks it, and since whoever locks a key compares the session's
 * revision, from then on it gets no new key; the registry is brought up to that revision, so it knows every
 * key that the session holds. The second lets go of them and takes the session away in one transaction: a
 * reader sees both or neither. Only a session with more keys than fit is let go of in several, itself last;
 * a server that dies in between leaves the mark, and the next one goes on (session-keeper.ts).
 */
import { FabricError } from "../../errors/index.ts";
import type { Compare, Store, StoreItem, Write } from "../../store/index.ts";
import { writesPerTxnMax } from "../catalog/catalog-writer.ts";
import { decodeSession, encodeSession } from "../codec.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import { kvKey, nodeKey, sessionKey, sessionTtlKey } from "../keys.ts";
import { encodeKv } from "../kv/kv-codec.ts";
import type { KvEntry, SessionEntry, SessionRecord } from "../model.ts";
import { deletionsOf } from "../query/query-writer.ts";
import type { RegistryReads } from "../reads.ts";
import { transaction } from "../transaction.ts";
import { leaseMsOf, planSession, type SessionSpec, sessionInvalid, whyInvalid } from "./plan-session.ts";

export const sessionsMax = 50_000;
const attemptsMax = 16;
/** Values written again to release their keys in one transaction; half of what a store takes at once. */
const valueBytesMax = 2 * 1024 * 1024;

export class SessionWriter {
  readonly #store: Store;
  readonly #registry: RegistryReads;
  readonly #newId: () => string;
  readonly #ends = new KeyedQueue();

  constructor(store: Store, registry: RegistryReads, newId: () => string) {
    this.#store = store;
    this.#registry = registry;
    this.#newId = newId;
  }

  async create(spec: SessionSpec): Promise<{ readonly id: string; readonly revision: number }> {
    const leaseMs = leaseMsOf(spec);
    if (this.#registry.status().sessions >= sessionsMax) {
      throw new FabricError(
        "REGISTRY_LIMIT",
        `create session: there are ${sessionsMax} already; destroy what is unused, or give them a TTL`,
        { details: { limit: "sessionsMax", max: sessionsMax } },
      );
    }
    if (whyInvalid(this.#registry, spec) !== undefined) await this.#registry.barrier();
    const id = this.#newId();
    const lease = leaseMs === undefined ? undefined : await this.#store.grantLease(leaseMs);
    try {
      return { id, revision: await this.#write(planSession(spec, id, lease?.id)) };
    } catch (error) {
      if (lease) await this.#store.revokeLease(lease.id).catch(() => undefined);
      throw error;
    }
  }

  async renew(id: string): Promise<SessionEntry> {
    if (!this.#registry.session(id)) await this.#registry.barrier();
    const session = this.#registry.session(id);
    if (!session || session.ending || (session.lease !== undefined && !this.#registry.sessionHasTime(id)))
      throw notFound(id);
    if (session.lease === undefined) return session;
    try {
      await this.#store.keepAlive(session.lease);
    } catch (cause) {
      if (cause instanceof FabricError && cause.code === "STORE_LEASE_NOT_FOUND") throw notFound(id);
      throw cause;
    }
    return session;
  }

  /** The revision at which it was gone; undefined when there was none. */
  end(id: string): Promise<number | undefined> {
    return this.#ends.run(id, async () => {
      const marked = await this.#mark(id);
      return marked && this.#letGo(marked.session, marked.revision);
    });
  }

  async #write(session: SessionRecord): Promise<number> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const why = whyInvalid(this.#registry, session);
      const node = this.#registry.node(session.node);
      if (why !== undefined || !node) throw sessionInvalid(why ?? "Missing node registration");
      const key = sessionKey(session.id);
      const record = { ...session, node: node.name };
      const writes: Write[] = [{ op: "put", key, value: encodeSession(record) }];
      if (session.lease !== undefined) {
        const ttlKey = sessionTtlKey(session.id);
        writes.push({ op: "put", key: ttlKey, value: new Uint8Array(0), lease: session.lease });
      }
      const unchanged: Compare = { key: nodeKey(node.name), modRevision: node.modifyIndex };
      const { succeeded, revision } = await this.#store.txn(
        transaction([unchanged, { key, exists: false }], writes),
      );
      if (succeeded) return revision;
      await this.#registry.applied(revision);
    }
    throw contended("create", session.id);
  }

  async #mark(id: string): Promise<{ session: SessionRecord; revision: number } | undefined> {
    const key = sessionKey(id);
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const item = await this.#get(key);
      if (!item) return undefined;
      const held = decodeSession(item.value) ?? damaged(id);
      if (held.ending) return { session: held, revision: item.modRevision };
      const session = { ...held, ending: true };
      const { succeeded, revision } = await this.#store.txn(
        transaction(
          [{ key, modRevision: item.modRevision }],
          [{ op: "put", key, value: encodeSession(session) }],
        ),
      );
      if (succeeded) return { session, revision };
    }
    throw contended("end", id);
  }

  async #letGo(session: SessionRecord, marked: number): Promise<number> {
    const key = sessionKey(session.id);
    let known = marked;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      await this.#registry.applied(known);
      if (!this.#registry.session(session.id)) return known;
      await this.#dropQueries(session);
      const held = this.#registry.kvHeldBy(session.id);
      const chunk = firstChunk(held, session);
      const isLast = chunk.length === held.length;
      const gone: Write[] = [
        { op: "delete", key },
        { op: "delete", key: sessionTtlKey(session.id) },
      ];
      const { succeeded, revision } = await this.#store.txn(
        transaction(
          [{ key, modRevision: marked }, ...chunk.map(unchangedEntry)],
          [...chunk.map((entry) => letGo(entry, session)), ...(isLast ? gone : [])],
        ),
      );
      known = revision;
      if (!succeeded) continue;
      attempt = -1;
      if (!isLast) continue;
      if (session.lease !== undefined) await this.#store.revokeLease(session.lease).catch(() => undefined);
      return revision;
    }
    throw contended("end", session.id);
  }

  /** Nothing else of a session is lost with it. Before the session: whoever sees it gone sees them gone. */
  async #dropQueries(session: SessionRecord): Promise<void> {
    const writes = this.#registry
      .queries()
      .filter((query) => query.session === session.id)
      .flatMap(deletionsOf);
    for (let start = 0; start < writes.length; start += writesPerTxnMax)
      await this.#store.txn(transaction([], writes.slice(start, start + writesPerTxnMax)));
  }

  async #get(key: string): Promise<StoreItem | undefined> {
    const { results } = await this.#store.txn(transaction([], [{ op: "get", key }]));
    const [result] = results;
    return result?.op === "get" ? result.item : undefined;
  }
}

function firstChunk(held: readonly KvEntry[], { behavior }: SessionRecord): readonly KvEntry[] {
  let bytes = 0;
  const fits = held.slice(0, writesPerTxnMax).findIndex(({ value }, at) => {
    bytes += behavior === "release" ? value.length : 0;
    return at > 0 && bytes > valueBytesMax;
  });
  return held.slice(0, fits < 0 ? writesPerTxnMax : fits);
}

function unchangedEntry({ key, modifyIndex }: KvEntry): Compare {
  return { key: kvKey(key), modRevision: modifyIndex };
}

function letGo({ key, value, flags, lockIndex }: KvEntry, { behavior }: SessionRecord): Write {
  if (behavior === "delete") return { op: "delete", key: kvKey(key) };
  return { op: "put", key: kvKey(key), value: encodeKv({ value, flags, lockIndex }) };
}

/** Ends as one without wishes: what it held is found by its id all the same. */
function damaged(id: string): SessionRecord {
  return {
    id,
    name: "",
    node: "",
    behavior: "release",
    lockDelayMs: 0,
    ttl: "",
    nodeChecks: [],
    serviceChecks: [],
    ending: false,
  };
}

function notFound(id: string): FabricError {
  return new FabricError("REGISTRY_SESSION_NOT_FOUND", `Session id '${id}' not found`);
}

function contended(action: string, id: string): FabricError {
  return new FabricError(
    "REGISTRY_CONTENDED",
    `${action} session "${id}": other writers were faster ${attemptsMax} times; retry later`,
    { details: { session: id } },
  );
}
