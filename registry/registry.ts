/**
 * The registry of this process: a copy in memory of the store's catalog, liveness and keys, kept current by
 * one watch. Reads are synchronous and see one revision whole; waiting readers wake only for their own topic.
 *
 * Always holds: `index` and every topic's index never go back; an index is at least 1; a topic's index is at
 * least the revision of the last change to any answer built from it.
 */
import type { Ip } from "../addr/index.ts";
import type { Clock } from "../clock/index.ts";
import { FabricError } from "../errors/index.ts";
import { RevisionWaiters, SharedRound, type Store, type StoreItem, type WatchBatch } from "../store/index.ts";
import type { AclReads } from "./acl/acl-state.ts";
import * as catalog from "./catalog/catalog-reads.ts";
import { fold } from "./catalog/catalog-state.ts";
import { type ChangeCursor, ChangeLog, type ChangePosition } from "./change/change-log.ts";
import type { HistoryReads } from "./history/history-index.ts";
import { livePrefix } from "./keys.ts";
import { partedLeaseTopic } from "./kv/kv-times.ts";
import { LockDelays } from "./kv/lock-delays.ts";
import type {
  CheckEntry,
  CheckStatus,
  CoordinateEntry,
  EventEntry,
  KvEntry,
  NodeEntry,
  QueryEntry,
  ServiceEntry,
  ServiceInstance,
  SessionEntry,
} from "./model.ts";
import type { RegistryChange, RegistryReads, RegistryStatus, StoreContact } from "./reads.ts";
import { RegistryState } from "./registry-state.ts";
import { follow, loadFrom } from "./wait/feed.ts";
import { type Topic, topicKey } from "./wait/topic.ts";
import { TopicIndexes } from "./wait/topic-indexes.ts";
import { type Waiter, Waiters, waitersMax } from "./wait/waiters.ts";

export interface RegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly datacenter: string;
  /** Ends the registry. */
  readonly signal?: AbortSignal;
  readonly random?: () => number;
  readonly waitersMax?: number;
  readonly changesMax?: number;
}

const inContact: StoreContact = { following: true, lastContactMs: 0 };

export class Registry implements RegistryReads {
  readonly datacenter: string;
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #state = new RegistryState();
  readonly #topicIndexes = new TopicIndexes();
  readonly #waiters: Waiters;
  readonly #revisions = new RevisionWaiters();
  /** The store's revision: crowds of consistent readers cost the engine one question at a time. */
  readonly #barriers = new SharedRound(() =>
    this.#store.range(livePrefix, { limit: 1, keysOnly: true }).then(({ revision }) => revision),
  );
  readonly #lockDelays: LockDelays;
  readonly #changes: ChangeLog;
  readonly #listeners = new Set<(change: RegistryChange) => void>();
  readonly #ending = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #index = 0;
  /** Undefined while the store answers. */
  #lostAtMs: number | undefined;
  #names: { readonly index: number; readonly tags: ReadonlyMap<string, readonly string[]> } | undefined;

  /** Loads the store, then follows it until `close`. @throws STORE_UNAVAILABLE, STORE_CLOSED */
  static async open(options: RegistryOptions): Promise<Registry> {
    const registry = new Registry(options);
    const target = {
      load: (items: readonly StoreItem[], revision: number, until: number) =>
        registry.#load(items, revision, until),
      apply: (batch: WatchBatch) => registry.#apply(batch),
      following: (following: boolean) => registry.#setFollowing(following),
    };
    const loaded = await loadFrom(options.store, target);
    const { store, clock, random = Math.random } = options;
    registry.#following = follow({ store, clock, random }, target, loaded, registry.#ending.signal);
    options.signal?.addEventListener("abort", () => void registry.close(), { once: true });
    if (options.signal?.aborted) await registry.close();
    return registry;
  }

  private constructor(options: RegistryOptions) {
    this.datacenter = options.datacenter;
    this.#clock = options.clock;
    this.#store = options.store;
    this.#lockDelays = new LockDelays(options.clock);
    this.#waiters = new Waiters(options.waitersMax ?? waitersMax);
    this.#changes = new ChangeLog(options);
  }

  /** Stops following; whoever waits is told REGISTRY_CLOSED. */
  async close(): Promise<void> {
    if (!this.#ending.signal.aborted) {
      const closed = new FabricError(
        "REGISTRY_CLOSED",
        "wait for the registry: it was closed; open it again",
      );
      this.#ending.abort(closed);
      this.#waiters.endAll(closed);
      this.#revisions.rejectAll(closed);
    }
    await this.#following;
  }

  get index(): number {
    return Math.max(1, this.#index);
  }

  async applied(revision: number, signal?: AbortSignal): Promise<void> {
    if (revision <= this.#index) return;
    this.#ending.signal.throwIfAborted();
    await this.#revisions.add(revision, signal);
  }

  async barrier(signal?: AbortSignal): Promise<void> {
    await this.applied(await this.#barriers.join(), signal);
  }

  indexOf(topic: Topic): number {
    if (topic.kind === "kv") return this.#state.kv.indexOf(topic.key);
    if (topic.kind === "kvPrefix") return this.#state.kv.indexOfPrefix(topic.prefix);
    return this.#topicIndexes.get(topicKey(topic));
  }

  park(waiter: Waiter): void {
    this.#ending.signal.throwIfAborted();
    if (this.indexOf(waiter.topic) > waiter.index) waiter.moved();
    else this.#waiters.park(waiter);
  }

  leave(waiter: Waiter): void {
    this.#waiters.leave(waiter);
  }

  onChange(listener: (change: RegistryChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get storeId(): string {
    return this.#store.id;
  }

  get changesFrom(): number {
    return this.#changes.floor;
  }

  changesAfter(prefix: string, after: ChangePosition): ChangeCursor {
    return this.#changes.follow(prefix, after);
  }

  contact(): StoreContact {
    if (this.#lostAtMs === undefined) return inContact;
    return { following: false, lastContactMs: Math.ceil(this.#clock.monotonicMs() - this.#lostAtMs) };
  }

  status(): RegistryStatus {
    const { catalog: state, kv, damaged } = this.#state;
    return {
      ...this.contact(),
      damaged,
      waiters: this.#waiters.size,
      tombstones: this.#topicIndexes.tombstoneCount + kv.tombstoneCount,
      nodes: state.nodes.size,
      services: countAll(state.services),
      checks: countAll(state.checks),
      keys: kv.size,
      sessions: this.#state.sessions.size,
    };
  }

  nodes(): readonly NodeEntry[] {
    return catalog.listNodes(this.#state.catalog);
  }

  node(nameOrId: string): NodeEntry | undefined {
    return catalog.findNode(this.#state.catalog, nameOrId);
  }

  isLive(node: string): boolean {
    return this.#state.catalog.liveness.get(fold(node))?.alive ?? false;
  }

  liveLease(node: string): string | undefined {
    return this.#state.catalog.liveness.get(fold(node))?.lease;
  }

  serviceNames(): ReadonlyMap<string, readonly string[]> {
    const index = this.indexOf({ kind: "services" });
    if (this.#names?.index !== index)
      this.#names = { index, tags: catalog.tagsByService(this.#state.catalog) };
    return this.#names.tags;
  }

  service(name: string): readonly ServiceInstance[] {
    return catalog.instancesOf(this.#state.catalog, name);
  }

  connect(name: string): readonly ServiceInstance[] {
    return catalog.connectInstancesOf(this.#state.catalog, name);
  }

  providersOf(needs: readonly string[]): readonly ServiceInstance[] {
    return catalog.providersOf(this.#state.catalog, needs);
  }

  servicesOfNode(node: string): readonly ServiceEntry[] {
    return catalog.servicesOn(this.#state.catalog, node);
  }

  serviceOfNode(node: string, id: string): ServiceEntry | undefined {
    return catalog.serviceOn(this.#state.catalog, node, id);
  }

  checksOfNode(node: string): readonly CheckEntry[] {
    return catalog.checksOn(this.#state.catalog, node);
  }

  checkOfNode(node: string, id: string): CheckEntry | undefined {
    return catalog.checkOn(this.#state.catalog, node, id);
  }

  checksOfService(name: string): readonly CheckEntry[] {
    return catalog.checksOfServiceNamed(this.#state.catalog, name);
  }

  checksInState(state: CheckStatus | "any"): readonly CheckEntry[] {
    return catalog.checksWithStatus(this.#state.catalog, state);
  }

  atAddress(ip: Ip): { readonly nodes: readonly NodeEntry[]; readonly services: readonly ServiceInstance[] } {
    return catalog.entriesAt(this.#state.catalog, ip);
  }

  kv(key: string): KvEntry | undefined {
    return this.#state.kv.get(key);
  }

  kvList(prefix: string, max?: number): readonly KvEntry[] {
    return this.#state.kv.list(prefix, max);
  }

  kvKeys(prefix: string, separator?: string): readonly string[] {
    return this.#state.kv.listKeys(prefix, separator);
  }

  get acl(): AclReads {
    return this.#state.acl;
  }

  get history(): HistoryReads {
    return this.#state.history;
  }

  keyTime(lease: string): { readonly key: string | undefined; readonly lasts: boolean } {
    const { times } = this.#state.kv;
    return { key: times.keyOf(lease), lasts: times.lasts(lease) };
  }

  keyLeases(): Iterable<string> {
    return this.#state.kv.times.leases();
  }

  kvHeldBy(session: string): readonly KvEntry[] {
    return this.#state.kv.heldBy(session);
  }

  isLockDelayed(key: string): boolean {
    return this.#lockDelays.has(key);
  }

  session(id: string): SessionEntry | undefined {
    return this.#state.sessions.get(id);
  }

  sessions(): readonly SessionEntry[] {
    return this.#state.sessions.list();
  }

  sessionsOfNode(node: string): readonly SessionEntry[] {
    return this.#state.sessions.ofNode(node);
  }

  sessionHasTime(id: string): boolean {
    return this.#state.sessions.hasTime(id);
  }

  events(): readonly EventEntry[] {
    return this.#state.events.list();
  }

  queries(): readonly QueryEntry[] {
    return this.#state.queries.list();
  }

  query(id: string): QueryEntry | undefined {
    return this.#state.queries.get(id);
  }

  queryNamed(name: string): QueryEntry | undefined {
    return this.#state.queries.named(name);
  }

  resolveQuery(nameOrId: string): QueryEntry | undefined {
    return this.#state.queries.resolve(nameOrId);
  }

  coordinates(): readonly CoordinateEntry[] {
    return this.nodes().flatMap(({ name }) => this.#state.coordinates.ofNode(name));
  }

  coordinatesOfNode(node: string): readonly CoordinateEntry[] {
    return this.#state.coordinates.ofNode(node);
  }

  /** What is held but not in the load went away unseen, at the latest by its revision. */
  #load(items: readonly StoreItem[], revision: number, until: number): void {
    const first = this.#index === 0;
    const missing = new Set(this.#state.heldKeys());
    for (const { key } of items) missing.delete(key);
    this.#state.foresee(missing);
    for (const item of items) this.#state.put(item);
    for (const key of missing) this.#state.delete(key, revision);
    if (first) {
      this.#topicIndexes.raiseFloor(revision);
      this.#state.kv.raiseFloor(revision);
      this.#state.takeMoved();
      this.#index = revision;
    } else this.#finish(revision);
    // What happened between the first page and the last is partly in the load: no reader could follow it.
    this.#changes.reset(until);
  }

  #apply(batch: WatchBatch): void {
    this.#setFollowing(true);
    for (const event of batch.events) this.#state.apply(event);
    this.#finish(batch.revision);
  }

  #finish(revision: number): void {
    this.#index = Math.max(this.#index, revision);
    const { topics, kvKeys, delayed, partedLeases, changes } = this.#state.takeMoved();
    this.#changes.append(revision, changes);
    for (const { key, lockDelayMs } of delayed) this.#lockDelays.set(key, lockDelayMs);
    for (const [key, topic] of topics) {
      this.#topicIndexes.moved(key, revision, this.#state.exists(topic));
      this.#waiters.wake(key, revision);
    }
    const moved = new Set(topics.keys());
    for (const lease of partedLeases) moved.add(`${partedLeaseTopic}${lease}`);
    for (const key of kvKeys) {
      const topic = topicKey({ kind: "kv", key });
      moved.add(topic);
      this.#waiters.wake(topic, revision);
      this.#waiters.wakePrefixesOf(key, revision);
    }
    this.#revisions.reached(this.#index);
    if (moved.size > 0) for (const listener of this.#listeners) listener({ revision, topics: moved });
  }

  #setFollowing(following: boolean): void {
    if (following) this.#lostAtMs = undefined;
    else this.#lostAtMs ??= this.#clock.monotonicMs();
  }
}

function countAll(groups: ReadonlyMap<string, ReadonlyMap<string, unknown>>): number {
  let count = 0;
  for (const members of groups.values()) count += members.size;
  return count;
}
