/**
 * What the catalog and the key/value store hold: nodes, services, checks and keys, as they stand in the store
 * and as they are read back. Records are JSON-safe (KvRecord apart, which carries bytes) and never change.
 *
 * An entry is a record with the store revisions of its making and of its last change, which are Consul's
 * CreateIndex and ModifyIndex.
 */
import type { Ip, Mac } from "../addr/index.ts";
import type { Coordinate } from "./coordinate/coordinate.ts";

export type CheckStatus = "passing" | "warning" | "critical";

/** What the other nodes must know to reach this node's containers. Absent on nodes outside of the fabric. */
export interface FabricIdentity {
  readonly zone: string;
  /** Addresses of the node on the underlay, at most one a family. */
  readonly underlay: readonly Ip[];
  readonly vtepMac: Mac;
  readonly vxlanPort: number;
  /** Term of the node; a writer with a lower one is a ghost of an earlier life. */
  readonly epoch: number;
}

/** Under `catalog/nodes/<node>`. */
export interface NodeRecord {
  readonly name: string;
  /** UUID; some clients join on it, so it is never empty. */
  readonly id: string;
  readonly address: Ip;
  readonly datacenter: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly taggedAddresses: Readonly<Record<string, string>>;
  readonly fabric?: FabricIdentity;
}

export interface Weights {
  readonly passing: number;
  readonly warning: number;
}

export interface TaggedAddress {
  readonly address: string;
  readonly port: number;
}

/** One of several ports of an instance. */
export interface NamedPort {
  readonly name: string;
  readonly port: number;
  readonly isDefault: boolean;
}

/** Under `catalog/services/<node>/<id>`. */
export interface ServiceRecord {
  readonly node: string;
  readonly id: string;
  readonly name: string;
  /** Consul's Kind: "" for an ordinary service. */
  readonly kind: string;
  readonly tags: readonly string[];
  /** An address, a host name, or "": the node's address. */
  readonly address: string;
  /** 0 if it has none; with `ports`, that of the default. */
  readonly port: number;
  /** Several, of which one is the default. Absent: `port` is the only one. */
  readonly ports?: readonly NamedPort[];
  readonly meta: Readonly<Record<string, string>>;
  readonly weights: Weights;
  readonly enableTagOverride: boolean;
  readonly taggedAddresses: Readonly<Record<string, TaggedAddress>>;
  /** Consul's `Proxy`, kept and shown as it was given: its `DestinationServiceName` alone means something here. */
  readonly proxy?: Readonly<Record<string, unknown>>;
  /** The service speaks the mesh's protocol itself (Consul's `Connect.Native`). Absent: it does not. */
  readonly connectNative?: true;
}

/** Under `catalog/checks/<node>/<id>`. */
export interface CheckRecord {
  readonly node: string;
  readonly id: string;
  readonly name: string;
  readonly status: CheckStatus;
  readonly notes: string;
  readonly output: string;
  /** "" for a check of the node. */
  readonly serviceId: string;
  readonly serviceName: string;
  readonly serviceTags: readonly string[];
  /** `http`, `tcp`, `ttl`, …; "" when unknown. */
  readonly type: string;
  /** Go duration as shown to clients, "" when there is none. */
  readonly interval: string;
  readonly timeout: string;
}

/** Under `kv/<key>`, in a binary form of its own (kv-codec.ts). */
export interface KvRecord {
  readonly key: string;
  readonly value: Uint8Array;
  /** Unsigned 64-bit number of the client's; means nothing to us. */
  readonly flags: bigint;
  readonly lockIndex: number;
  readonly session?: string;
  /** How long it stays after it was written or renewed; absent: for ever. */
  readonly ttlMs?: number;
  /** Of the store; takes `kv-ttl/<lease>` with it when the time is over. With `ttlMs`. */
  readonly lease?: string;
}

/** What happens to the keys that a session holds when it ends. */
export type SessionBehavior = "release" | "delete";

/** Under `sessions/<id>`; it never changes but to begin its end. */
export interface SessionRecord {
  readonly id: string;
  readonly name: string;
  readonly node: string;
  readonly behavior: SessionBehavior;
  /** So long nobody may lock what the session held when it ended. */
  readonly lockDelayMs: number;
  /** As the client wrote it; "" for a session without one. */
  readonly ttl: string;
  readonly nodeChecks: readonly string[];
  readonly serviceChecks: readonly string[];
  /** Of the store; takes `session-ttl/<id>` with it when nobody renews. Absent without TTL. */
  readonly lease?: string;
  /** It takes no more keys, and is gone as soon as its last key is let go. */
  readonly ending: boolean;
}

/** A user event, under `events/<id>`; written once. */
export interface EventRecord {
  readonly id: string;
  readonly name: string;
  /** Base64. */
  readonly payload: string;
  /** Regular expressions for whoever acts on the event; "" for all. */
  readonly nodeFilter: string;
  readonly serviceFilter: string;
  readonly tagFilter: string;
}

/** A prepared query that answers for every name that begins with its own. */
export interface QueryTemplate {
  readonly kind: "name_prefix_match";
  /** Matched against the name asked for; its groups are `${match(N)}`. "": none. */
  readonly regexp: string;
  readonly removeEmptyTags: boolean;
}

/** Where a query looks when it finds nothing here: a datacenter, or a peer. */
export interface QueryTarget {
  readonly peer: string;
  readonly datacenter: string;
}

/** A prepared query, under `queries/<id>`. */
export interface QueryRecord {
  readonly id: string;
  /** "": it is asked for by its id; of a template, that every name fits. */
  readonly name: string;
  /** It goes with this session; "" for a query that stays. */
  readonly session: string;
  readonly template?: QueryTemplate;
  readonly service: string;
  /** Asks for instances that speak for the service in a mesh. */
  readonly connect: boolean;
  readonly onlyPassing: boolean;
  /** All are needed; one with `!` in front must not be there. */
  readonly tags: readonly string[];
  readonly nodeMeta: Readonly<Record<string, string>>;
  readonly serviceMeta: Readonly<Record<string, string>>;
  readonly ignoreCheckIds: readonly string[];
  /** A node, `_agent` or `_ip`: the nearest to it come first. "": in random order. */
  readonly near: string;
  readonly failoverNearestN: number;
  readonly failoverDatacenters: readonly string[];
  readonly failoverTargets: readonly QueryTarget[];
  readonly dnsTtlMs: number;
}

/** Where a node stands in a segment, under `catalog/coordinates/<node>/_<segment>`. */
export interface CoordinateRecord {
  readonly node: string;
  /** "" unless the network is divided. */
  readonly segment: string;
  readonly coordinate: Coordinate;
}

export interface Indexes {
  readonly createIndex: number;
  readonly modifyIndex: number;
}

export type NodeEntry = NodeRecord & Indexes;
export type ServiceEntry = ServiceRecord & Indexes;
export type CheckEntry = CheckRecord & Indexes;
export type KvEntry = KvRecord & Indexes;
export type EventEntry = EventRecord & Indexes;
export type QueryEntry = QueryRecord & Indexes;
export type CoordinateEntry = CoordinateRecord & Indexes;
export type SessionEntry = SessionRecord & Indexes;

/** One instance of a service with what decides whether it may be answered. */
export interface ServiceInstance {
  readonly node: NodeEntry;
  readonly service: ServiceEntry;
  /** Checks of the node (with `serfHealth`) first, then those of the instance. */
  readonly checks: readonly CheckEntry[];
}

/**
 * Kind of a service record that is the name of a container in a network (docs/decisions/006-container-names.md):
 * it answers in DNS, and no list of services shows it.
 */
export const containerNameKind = "container";
/** Tag of the one name of a container that its address leads back to. */
export const primaryNameTag = "primary";

/**
 * Name of the service record for a container's name. Its dots keep it apart from what DNS can ask for as a service; a
 * network's own dots are written otherwise, so that no two networks have a name in common.
 */
export function containerServiceName(name: string, network: string): string {
  return `${name}.${network.replaceAll(".", "%2e")}.docker`.toLowerCase();
}

/** What `containerServiceName` was made of, in lower case; undefined for the name of a service. */
export function parseContainerService(
  service: string,
): { readonly name: string; readonly network: string } | undefined {
  const labels = service.split(".");
  if (labels.length < 3 || labels.pop() !== "docker") return undefined;
  const network = labels.pop()?.replaceAll("%2e", ".") ?? "";
  return { name: labels.join("."), network };
}

/** The check that a fabric node's liveness makes; its name is what clients of Consul look for. */
export const livenessCheckId = "serfHealth";

/** Checks by which an operator takes a node or a service out; the second is followed by the service's id. */
export const nodeMaintenanceCheck = "_node_maintenance";
export const serviceMaintenancePrefix = "_service_maintenance:";

export function isMaintenanceCheck({ id }: { readonly id: string }): boolean {
  return id === nodeMaintenanceCheck || id.startsWith(serviceMaintenancePrefix);
}

/** The worst of the statuses; `passing` when there is none. */
export function worstStatus(checks: Iterable<{ readonly status: CheckStatus }>): CheckStatus {
  let worst: CheckStatus = "passing";
  for (const { status } of checks) {
    if (status === "critical") return "critical";
    if (status === "warning") worst = "warning";
  }
  return worst;
}
