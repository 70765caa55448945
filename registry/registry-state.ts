/**
 * The reducer: store events in, entries and moved topics out. Pure and synchronous; a batch is applied whole.
 *
 * Applying an event twice, or one that a load has overtaken, changes nothing: an event counts only when its
 * revision is above that of what is held. A record that cannot be decoded is counted and held as absent.
 */
import type { StoreEvent, StoreItem } from "../store/index.ts";
import { decodePolicy, decodeToken } from "./acl/acl-model.ts";
import { AclState } from "./acl/acl-state.ts";
import { CatalogState, type CatalogTopic, fold } from "./catalog/catalog-state.ts";
import { EntryList } from "./catalog/entry-list.ts";
import type { Change } from "./change/change.ts";
import { ChangeRecorder } from "./change/change-recorder.ts";
import {
  decodeCheck,
  decodeCoordinate,
  decodeEvent,
  decodeNode,
  decodeQuery,
  decodeService,
  decodeSession,
} from "./codec.ts";
import { CoordinateState, type CoordinateTopic } from "./coordinate/coordinate-state.ts";
import { HistoryIndex } from "./history/history-index.ts";
import { decodeCut, decodeRule, decodeVersion } from "./history/history-model.ts";
import {
  aclPolicyKey,
  aclTokenKey,
  checkKey,
  coordinateKey,
  eventKey,
  historyCutKey,
  historyKey,
  historyRuleKey,
  type KeyParts,
  kvKey,
  kvTtlKey,
  liveKey,
  nodeKey,
  parseKey,
  queryKey,
  serviceKey,
  sessionKey,
  sessionTtlKey,
} from "./keys.ts";
import { decodeKv } from "./kv/kv-codec.ts";
import { KvIndex } from "./kv/kv-index.ts";
import type { EventEntry } from "./model.ts";
import { QueryIndex } from "./query/query-index.ts";
import { isSessionTopic, SessionState, type SessionTopic } from "./session/session-state.ts";
import { type Topic, topicKey } from "./wait/topic.ts";

/** What changes mark; keys are told apart. */
export type MarkedTopic =
  | CatalogTopic
  | SessionTopic
  | CoordinateTopic
  | Extract<Topic, { kind: "events" | "queries" | "acl" }>;

/** What one batch moved. */
export interface Moved {
  readonly topics: ReadonlyMap<string, MarkedTopic>;
  readonly kvKeys: readonly string[];
  /** Keys that a session let go of by ending, and for how long nobody may lock them. */
  readonly delayed: readonly { readonly key: string; readonly lockDelayMs: number }[];
  /** Leases of keys that their key, or whose time, has left. */
  readonly partedLeases: readonly string[];
  /** One by one, in order of path. */
  readonly changes: readonly Change[];
}

export class RegistryState {
  readonly kv: KvIndex;
  readonly history = new HistoryIndex();
  readonly catalog: CatalogState;
  readonly sessions: SessionState;
  readonly events: EntryList<EventEntry>;
  readonly queries: QueryIndex;
  readonly acl: AclState;
  readonly coordinates: CoordinateState;
  readonly #recorder: ChangeRecorder;
  #topics = new Map<string, MarkedTopic>();
  #kvKeys: string[] = [];
  #delayed: { key: string; lockDelayMs: number }[] = [];
  #partedLeases: string[] = [];
  #damaged = 0;

  constructor() {
    const mark = (topic: MarkedTopic) => this.#topics.set(topicKey(topic), topic);
    this.kv = new KvIndex((lease) => this.#partedLeases.push(lease));
    this.catalog = new CatalogState(mark);
    this.sessions = new SessionState(mark);
    this.events = new EntryList(() => mark({ kind: "events" }));
    this.queries = new QueryIndex(() => mark({ kind: "queries" }));
    this.acl = new AclState(() => mark({ kind: "acl" }));
    this.coordinates = new CoordinateState(mark);
    this.#recorder = new ChangeRecorder(this.catalog, this.kv);
  }

  get damaged(): number {
    return this.#damaged;
  }

  apply(event: StoreEvent): void {
    const parts = parseKey(event.kind === "put" ? event.item.key : event.key);
    if (!parts) return;
    this.#recorder.touch(parts);
    if (event.kind === "put") this.#put(parts, event.item);
    else this.#delete(parts, event.modRevision);
  }

  put(item: StoreItem): void {
    const parts = parseKey(item.key);
    if (parts) this.#put(parts, item);
  }

  #put(parts: KeyParts, item: StoreItem): void {
    if (item.modRevision <= this.#heldRevision(parts)) return;
    if (!this.#decodeAndPut(parts, item)) {
      this.#damaged++;
      this.#remove(parts, item.modRevision);
    }
  }

  delete(key: string, revision: number): void {
    const parts = parseKey(key);
    if (parts) this.#delete(parts, revision);
  }

  #delete(parts: KeyParts, revision: number): void {
    if (revision >= this.#heldRevision(parts)) this.#remove(parts, revision);
  }

  /** Sessions that went away unseen have let go of their keys by ending. */
  foresee(missing: ReadonlySet<string>): void {
    for (const session of this.sessions.list())
      if (missing.has(sessionKey(session.id))) this.sessions.put({ ...session, ending: true });
  }

  /** What moved since the last call. */
  takeMoved(): Moved {
    const changes = this.#recorder.take();
    const moved = {
      topics: this.#topics,
      kvKeys: this.#kvKeys,
      delayed: this.#delayed,
      partedLeases: this.#partedLeases,
      changes,
    };
    this.#topics = new Map();
    this.#kvKeys = [];
    this.#delayed = [];
    this.#partedLeases = [];
    return moved;
  }

  /** Store keys of everything that is held. */
  *heldKeys(): Generator<string> {
    for (const node of this.catalog.nodes.values()) yield nodeKey(node.name);
    for (const services of this.catalog.services.values())
      for (const service of services.values()) yield serviceKey(service.node, service.id);
    for (const checks of this.catalog.checks.values())
      for (const check of checks.values()) yield checkKey(check.node, check.id);
    for (const { node, alive } of this.catalog.liveness.values()) if (alive) yield liveKey(node);
    for (const key of this.kv.keys()) yield kvKey(key);
    for (const { id } of this.sessions.list()) yield sessionKey(id);
    for (const id of this.sessions.timedIds()) yield sessionTtlKey(id);
    for (const lease of this.kv.times.lasting()) yield kvTtlKey(lease);
    for (const { prefix } of this.history.rules()) yield historyRuleKey(prefix);
    for (const { name } of this.history.cuts()) yield historyCutKey(name);
    for (const key of this.history.keys())
      for (const name of this.history.names(key)) yield historyKey(key, name);
    for (const { id } of this.events.list()) yield eventKey(id);
    for (const { id } of this.queries.list()) yield queryKey(id);
    for (const { id, modifyIndex } of this.acl.tokens()) if (modifyIndex > 0) yield aclTokenKey(id);
    for (const { id, modifyIndex } of this.acl.policies()) if (modifyIndex > 0) yield aclPolicyKey(id);
    for (const { node, segment } of this.coordinates.list()) yield coordinateKey(node, segment);
  }

  exists(topic: MarkedTopic): boolean {
    if (topic.kind === "events" || topic.kind === "queries" || topic.kind === "acl") return true;
    if (topic.kind === "coordinates" || topic.kind === "nodeCoordinates")
      return this.coordinates.exists(topic);
    return isSessionTopic(topic) ? this.sessions.exists(topic) : this.catalog.exists(topic);
  }

  #decodeAndPut(parts: KeyParts, item: StoreItem): boolean {
    const indexes = { createIndex: item.createRevision, modifyIndex: item.modRevision };
    switch (parts.kind) {
      case "node": {
        const node = decodeNode(item.value);
        if (node) this.catalog.putNode({ ...node, name: parts.node, ...indexes });
        return node !== undefined;
      }
      case "live":
        this.catalog.setLiveness({
          node: parts.node,
          alive: true,
          revision: item.createRevision,
          ...(item.lease !== undefined && { lease: item.lease }),
        });
        return true;
      case "service": {
        const service = decodeService(item.value);
        if (service) this.catalog.putService({ ...service, node: parts.node, id: parts.id, ...indexes });
        return service !== undefined;
      }
      case "check": {
        const check = decodeCheck(item.value);
        if (check) this.catalog.putCheck({ ...check, node: parts.node, id: parts.id, ...indexes });
        return check !== undefined;
      }
      case "kv": {
        const record = decodeKv(parts.key, item.value);
        if (!record) return false;
        this.#letGo(parts.key, record.session);
        this.kv.put(Object.assign(record, indexes));
        this.#kvKeys.push(parts.key);
        return true;
      }
      case "session": {
        const session = decodeSession(item.value);
        if (session) this.sessions.put({ ...session, id: parts.id, ...indexes });
        return session !== undefined;
      }
      case "kvVersion": {
        const version = decodeVersion(parts.key, item.value, item.modRevision);
        if (version) this.history.put(parts.name, version, item.key.length + item.value.length);
        return version !== undefined;
      }
      case "historyCut": {
        const cut = decodeCut(item.value);
        if (cut) this.history.putCut(parts.name, cut, item.modRevision);
        return cut !== undefined;
      }
      case "historyRule": {
        const rule = decodeRule(item.value);
        if (rule)
          this.history.putRule({ ...rule, prefix: parts.prefix }, item.modRevision, item.createRevision);
        return rule !== undefined;
      }
      case "kvTtl":
        this.kv.times.start(parts.id, item.modRevision);
        return true;
      case "sessionTtl":
        this.sessions.startTime(parts.id, item.modRevision);
        return true;
      case "event": {
        const event = decodeEvent(item.value);
        if (event) this.events.put({ ...event, id: parts.id, ...indexes });
        return event !== undefined;
      }
      case "query": {
        const query = decodeQuery(item.value);
        if (query) this.queries.put({ ...query, id: parts.id, ...indexes });
        return query !== undefined;
      }
      case "aclToken": {
        const token = decodeToken(item.value);
        if (token) this.acl.putToken({ ...token, id: parts.id, ...indexes });
        return token !== undefined;
      }
      case "aclPolicy": {
        const policy = decodePolicy(item.value);
        if (policy) this.acl.putPolicy({ ...policy, id: parts.id, ...indexes });
        return policy !== undefined;
      }
      case "coordinate": {
        const held = decodeCoordinate(item.value);
        const { node, segment } = parts;
        if (held) this.coordinates.put({ ...held, node, segment, ...indexes });
        return held !== undefined;
      }
      default:
        return parts satisfies never;
    }
  }

  #remove(parts: KeyParts, revision: number): void {
    switch (parts.kind) {
      case "node":
        this.catalog.deleteNode(parts.node);
        break;
      case "live":
        this.catalog.setLiveness({ node: parts.node, alive: false, revision });
        break;
      case "service":
        this.catalog.deleteService(parts.node, parts.id);
        break;
      case "check":
        this.catalog.deleteCheck(parts.node, parts.id);
        break;
      case "kv":
        this.#letGo(parts.key, undefined);
        if (this.kv.delete(parts.key, revision)) this.#kvKeys.push(parts.key);
        break;
      case "session":
        this.sessions.delete(parts.id);
        break;
      case "kvVersion":
        this.history.delete(parts.key, parts.name);
        break;
      case "historyCut":
        this.history.deleteCut(parts.name);
        break;
      case "historyRule":
        this.history.deleteRule(parts.prefix);
        break;
      case "kvTtl":
        this.kv.times.end(parts.id);
        break;
      case "sessionTtl":
        this.sessions.endTime(parts.id);
        break;
      case "event":
        this.events.delete(parts.id);
        break;
      case "query":
        this.queries.delete(parts.id);
        break;
      case "aclToken":
        this.acl.deleteToken(parts.id);
        break;
      case "aclPolicy":
        this.acl.deletePolicy(parts.id);
        break;
      case "coordinate":
        this.coordinates.delete(parts.node, parts.segment);
        break;
      default:
        parts satisfies never;
    }
  }

  /** A key that an ending session held and holds no longer; the keys of a transaction come before its session. */
  #letGo(key: string, nextSession: string | undefined): void {
    const holder = this.kv.get(key)?.session;
    if (holder === undefined || holder === nextSession) return;
    const session = this.sessions.get(holder);
    if (session?.ending && session.lockDelayMs > 0)
      this.#delayed.push({ key, lockDelayMs: session.lockDelayMs });
  }

  #heldRevision(parts: KeyParts): number {
    switch (parts.kind) {
      case "node":
        return this.catalog.nodes.get(fold(parts.node))?.modifyIndex ?? 0;
      case "live":
        return this.catalog.liveness.get(fold(parts.node))?.revision ?? 0;
      case "service":
        return this.catalog.services.get(fold(parts.node))?.get(parts.id)?.modifyIndex ?? 0;
      case "check":
        return this.catalog.checks.get(fold(parts.node))?.get(parts.id)?.modifyIndex ?? 0;
      case "kv":
        return this.kv.get(parts.key)?.modifyIndex ?? 0;
      case "session":
        return this.sessions.get(parts.id)?.modifyIndex ?? 0;
      case "kvVersion":
        return this.history.stored(parts.key, parts.name)?.revision ?? 0;
      case "historyCut":
        return this.history.cutRevision(parts.name);
      case "historyRule":
        return this.history.ruleRevision(parts.prefix);
      case "kvTtl":
        return this.kv.times.revisionOf(parts.id);
      case "sessionTtl":
        return this.sessions.timeRevision(parts.id);
      case "event":
        return this.events.get(parts.id)?.modifyIndex ?? 0;
      case "query":
        return this.queries.get(parts.id)?.modifyIndex ?? 0;
      case "coordinate":
        return this.coordinates.get(parts.node, parts.segment)?.modifyIndex ?? 0;
      case "aclToken":
        return this.acl.token(parts.id)?.modifyIndex ?? 0;
      case "aclPolicy":
        return this.acl.policy(parts.id)?.modifyIndex ?? 0;
      default:
        return parts satisfies never;
    }
  }
}
