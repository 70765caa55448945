/**
 * What a reader of the registry may ask. Every read is synchronous, from memory, and sees one revision whole.
 * Names of nodes and services are matched without regard to case.
 */
import type { Ip } from "../addr/index.ts";
import type { AclReads } from "./acl/acl-state.ts";
import type { ChangeCursor, ChangePosition } from "./change/change-log.ts";
import type { HistoryReads } from "./history/history-index.ts";
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
import type { Topic } from "./wait/topic.ts";
import type { Waiter } from "./wait/waiters.ts";

export interface RegistryChange {
  readonly revision: number;
  /** Keys (topicKey) of the topics that moved; kv prefixes are not among them. */
  readonly topics: ReadonlySet<string>;
}

export interface StoreContact {
  /** The registry follows the store; false while it reconnects. */
  readonly following: boolean;
  /** Whole milliseconds since the store was last heard of; 0 while following. */
  readonly lastContactMs: number;
}

export interface RegistryStatus extends StoreContact {
  /** Records that could not be read since the start; each is treated as absent. */
  readonly damaged: number;
  readonly waiters: number;
  readonly tombstones: number;
  readonly nodes: number;
  readonly services: number;
  readonly checks: number;
  readonly keys: number;
  readonly sessions: number;
}

export interface RegistryReads {
  readonly datacenter: string;
  /** Last applied store revision, at least 1. */
  readonly index: number;
  /** Resolves once the revision has been applied: read your writes. Rejects with the signal's reason. */
  applied(revision: number, signal?: AbortSignal): Promise<void>;
  /**
   * Resolves once everything that any process had written before the call is applied: linearizable reads.
   * @throws STORE_UNAVAILABLE, STORE_CLOSED
   */
  barrier(signal?: AbortSignal): Promise<void>;
  /** The revision at which the topic last moved, at least 1; never goes back while the registry lives. */
  indexOf(topic: Topic): number;
  /**
   * Tells the waiter once `indexOf(topic)` is above its `index`: at once when it is already.
   * @throws REGISTRY_LIMIT when too many readers wait, REGISTRY_CLOSED
   */
  park(waiter: Waiter): void;
  /** Ends the waiting, if it has not ended yet. */
  leave(waiter: Waiter): void;
  /** Calls back, synchronously, after each applied revision that moved a topic. Returns the unsubscription. */
  onChange(listener: (change: RegistryChange) => void): () => void;
  /** Revisions compare only between registries with the same. */
  readonly storeId: string;
  /** The oldest revision whose changes are known one by one; may be above `index` for a moment after a load. */
  readonly changesFrom: number;
  /**
   * A reader of the changes under a prefix of paths (changePath); one of a revision that this registry has not reached
   * waits for it. To be closed.
   */
  changesAfter(prefix: string, after: ChangePosition): ChangeCursor;
  contact(): StoreContact;
  status(): RegistryStatus;

  /** In order of name. */
  nodes(): readonly NodeEntry[];
  /** By name or by id. */
  node(nameOrId: string): NodeEntry | undefined;
  isLive(node: string): boolean;
  /** The store's lease that the node's liveness hangs on; undefined when it is dead. */
  liveLease(node: string): string | undefined;
  /** Service name → sorted union of its instances' tags, in order of name. */
  serviceNames(): ReadonlyMap<string, readonly string[]>;
  /** In order of node and id. Instances whose node is unknown are left out. */
  service(name: string): readonly ServiceInstance[];
  /** Instances that speak for the service in a mesh: proxies of it, and its own that are native. */
  connect(name: string): readonly ServiceInstance[];
  /** Instances that meet every need (at least one), in order of node and id. */
  providersOf(needs: readonly string[]): readonly ServiceInstance[];
  servicesOfNode(node: string): readonly ServiceEntry[];
  /** One of servicesOfNode, at a cost that does not grow with their number. */
  serviceOfNode(node: string, id: string): ServiceEntry | undefined;
  /** With the synthesised `serfHealth` of a fabric node. */
  checksOfNode(node: string): readonly CheckEntry[];
  checkOfNode(node: string, id: string): CheckEntry | undefined;
  checksOfService(name: string): readonly CheckEntry[];
  checksInState(state: CheckStatus | "any"): readonly CheckEntry[];
  /** Nodes and service instances with this address of their own. */
  atAddress(ip: Ip): { readonly nodes: readonly NodeEntry[]; readonly services: readonly ServiceInstance[] };
  kv(key: string): KvEntry | undefined;
  /** In byte order of key, the first `max` of them. */
  kvList(prefix: string, max?: number): readonly KvEntry[];
  /** Keys in order; with a separator each is cut after its first occurrence behind the prefix, once. */
  kvKeys(prefix: string, separator?: string): readonly string[];
  /** Versions of keys under a history rule. */
  readonly history: HistoryReads;
  /** The key that has this lease, and whether its time lasts. */
  keyTime(lease: string): { readonly key: string | undefined; readonly lasts: boolean };
  /** Of all keys with a time, and those that no key has any more. */
  keyLeases(): Iterable<string>;
  /** Keys that the session has locked, in order. */
  kvHeldBy(session: string): readonly KvEntry[];
  /** The last holder's session ended, and its lock delay is not over. */
  isLockDelayed(key: string): boolean;
  /** Sessions that are ending are still there. */
  session(id: string): SessionEntry | undefined;
  /** In order of making. */
  sessions(): readonly SessionEntry[];
  sessionsOfNode(node: string): readonly SessionEntry[];
  /** Whether the time of a session with TTL lasts. */
  sessionHasTime(id: string): boolean;
  /** User events, oldest first. */
  events(): readonly EventEntry[];
  /** Prepared queries, oldest first. */
  queries(): readonly QueryEntry[];
  query(id: string): QueryEntry | undefined;
  /** The query, or template, that has exactly this name. */
  queryNamed(name: string): QueryEntry | undefined;
  /**
   * The query to execute for an id or a name, rendered if it is a template.
   * @throws REGISTRY_INVALID for the id of a template
   */
  resolveQuery(nameOrId: string): QueryEntry | undefined;
  /** Of nodes in the catalog, in order of node and segment. */
  coordinates(): readonly CoordinateEntry[];
  coordinatesOfNode(node: string): readonly CoordinateEntry[];
  /** Tokens and policies. */
  readonly acl: AclReads;
}
