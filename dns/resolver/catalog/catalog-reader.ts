/**
 * What the DNS server needs to know of the catalog. Whoever implements it hands over facts; which of them may
 * be named in an answer is decided here (instances.ts), so that every implementation obeys the same rule.
 *
 * Contract:
 * - A lookup answers with a value, or with a promise where the value has to be fetched first. A rejected
 *   promise becomes SERVFAIL: reject only when it is not known whether the thing exists.
 * - Names are given in lower case and compare without case; datacenters are one of `datacenters()`.
 * - Answers are snapshots: the objects are not changed after they were handed over.
 * - Ready answers are kept until `onChange` names what they came from. A change must be announced after the
 *   lookups answer with it, and before or soon after the writer is told of success. A service's answer holds
 *   the address and state of its instances' nodes: when a node changes, announce its services as well.
 */
import type { Ip } from "../../../addr/index.ts";
import type { Coordinate } from "../../../registry/index.ts";

export type MaybePromise<T> = T | Promise<T>;

export type InstanceStatus = "passing" | "warning" | "critical";

/** A check that does not pass, of the instance or of its node. */
export interface FailingCheck {
  readonly id: string;
  readonly name: string;
  readonly status: Exclude<InstanceStatus, "passing">;
}

export interface ServiceInstance {
  readonly node: string;
  /** Of the instance on its node; absent where the node has one of the service. */
  readonly id?: string;
  /** False: the node's lease is lost, or no path leads to it. */
  readonly nodeUp: boolean;
  /** At least one; at most one of each family is usual. */
  readonly nodeAddresses: readonly Ip[];
  /** The service's own address, if it is not its node's: an address, or a host name that becomes a CNAME. */
  readonly address?: string;
  /** By family, in the place of `address` or of its node's: Consul's tagged addresses `lan_ipv4` and `lan_ipv6`. */
  readonly lanAddresses?: readonly Ip[];
  /** 0 if it has none; the default of several. */
  readonly port: number;
  /** Several, each with its name. */
  readonly ports?: readonly { readonly name: string; readonly port: number }[];
  readonly tags: readonly string[];
  /** The worst of its checks and of its node's checks. */
  readonly status: InstanceStatus;
  /** SRV weights while passing and while warning, 1 each if absent. */
  readonly weights?: { readonly passing: number; readonly warning: number };
  readonly meta?: Readonly<Record<string, string>>;
  /** Taken out by an operator, it or its node: nothing names it, not even in a panic. */
  readonly maintenance?: boolean;
  /** It came and went too often, and rests (flap-damping.ts). */
  readonly damped?: boolean;
  /** Why `status` is not passing. */
  readonly failing?: readonly FailingCheck[];
  /** Zone of its node. */
  readonly zone?: string;
  /** Of its node. */
  readonly coordinate?: Coordinate;
}

/** What a prepared query finds. */
export interface QueryAnswer {
  /** The service that it asks for. */
  readonly service: string;
  /** Those that may be named, in no order. */
  readonly instances: readonly ServiceInstance[];
  /** 0: as for the service. */
  readonly ttlSeconds: number;
  /** `_agent`, `_ip`, the name of a node, or "". */
  readonly near: string;
  /** Of the node that `near` names. */
  readonly origin?: Coordinate;
}

/** One text for an instance among those of its service. */
export function instanceKey({ node, id, port }: ServiceInstance): string {
  return `${node}/${id ?? port}`;
}

export interface NodeAnswer {
  readonly name: string;
  readonly up: boolean;
  readonly addresses: readonly Ip[];
  readonly meta: Readonly<Record<string, string>>;
  readonly zone?: string;
  readonly coordinate?: Coordinate;
}

export type ReverseTarget =
  | { readonly kind: "node"; readonly name: string; readonly datacenter: string }
  | { readonly kind: "service"; readonly name: string; readonly datacenter: string }
  /** `name` is that of the container and of its network, `web.shop`. */
  | { readonly kind: "container"; readonly name: string; readonly datacenter: string };

/** Keys of the key/value store at and below a path. */
export interface KeyTree {
  readonly values: ReadonlyMap<string, string>;
  /** False: there are more than are handed out, and `values` is empty. */
  readonly complete: boolean;
}

export type CatalogChange =
  | {
      readonly kind: "service";
      readonly name: string;
      /** The instances after the change; absent when the reader does not hold them any longer. */
      readonly instances?: () => readonly ServiceInstance[];
    }
  | { readonly kind: "node" | "query"; readonly name: string }
  | { readonly kind: "container"; readonly name: string; readonly network: string }
  | { readonly kind: "reverse"; readonly ip: Ip }
  | { readonly kind: "keys"; readonly path: string }
  /** Which nodes there are, their addresses, or whether they are up. */
  | { readonly kind: "nodes" }
  /** Anything may have changed: a new snapshot, another server. */
  | { readonly kind: "all" };

export interface CatalogReader {
  /** All instances, of whatever status; undefined if there is no such service. */
  service(name: string, datacenter: string): MaybePromise<readonly ServiceInstance[] | undefined>;
  node(name: string, datacenter: string): MaybePromise<NodeAnswer | undefined>;
  /** Undefined if no prepared query answers for the name. */
  query(name: string, datacenter: string): MaybePromise<QueryAnswer | undefined>;
  nodes(datacenter: string): MaybePromise<readonly NodeAnswer[]>;
  /** Addresses of the containers with this name or alias in the network, those on nodes that are down left out. */
  container(name: string, network: string, datacenter: string): MaybePromise<readonly Ip[]>;
  /** What has this address; empty if nothing does. */
  reverse(ip: Ip): MaybePromise<readonly ReverseTarget[]>;
  /** The key `path`, and every key that begins with `path` and a slash. */
  keys(path: string): MaybePromise<KeyTree>;
  /** Names of the known datacenters, lower case, our own among them. */
  datacenters(): readonly string[];
  /**
   * Wall time since when what it says may be out of date; undefined while it is current. A change of it is announced
   * as `all`. Absent: it is always current.
   */
  staleSinceMs?(): number | undefined;
  /** Milliseconds since the reader last knew that what it holds of the source (changeKey) is current. */
  ageMs?(source: string): number | undefined;
  /** Calls the listener after each change. Answers how to stop. */
  onChange(listener: (change: CatalogChange) => void): () => void;
}

/** One text for what an answer came from and what a change announces. */
export function changeKey(change: Exclude<CatalogChange, { kind: "all" }>): string {
  if (change.kind === "reverse") return `reverse/${change.ip}`;
  if (change.kind === "nodes") return "nodes";
  if (change.kind === "keys") return `keys/${change.path}`;
  const name = change.name.toLowerCase();
  return change.kind === "container"
    ? `container/${change.network.toLowerCase()}/${name}`
    : `${change.kind}/${name}`;
}
