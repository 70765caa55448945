/**
 * Nodes, services and checks in memory, with the indexes that reads need, and the rule which topics a change
 * moves. Pure: it is told changes in order of revision and marks topics through the function handed in.
 *
 * Changes may come in any order between kinds (a check before its service, a service before its node): nothing
 * is refused, reads leave out what has no node yet, and the late part moves the same topics.
 */
import { type Ip, isIp, parseIp } from "../../addr/index.ts";
import type { CoordinateTopic } from "../coordinate/coordinate-state.ts";
import {
  type CheckEntry,
  type CheckStatus,
  containerNameKind,
  type NodeEntry,
  type ServiceEntry,
} from "../model.ts";
import { pathsOf, ResourceIndex } from "../resource/resource-index.ts";
import type { SessionTopic } from "../session/session-state.ts";
import type { Topic } from "../wait/topic.ts";

export interface Liveness {
  readonly node: string;
  readonly alive: boolean;
  /** That it hangs on. */
  readonly lease?: string;
  /** When it last changed between alive and not. */
  readonly revision: number;
}

export type CatalogTopic = Exclude<
  Topic,
  {
    kind:
      | "kv"
      | "kvPrefix"
      | "kvLease"
      | SessionTopic["kind"]
      | CoordinateTopic["kind"]
      | "events"
      | "queries"
      | "acl";
  }
>;

/** Node and service names are keys without regard to case. */
export function fold(name: string): string {
  return name.toLowerCase();
}

/** Right as long as node and liveness are these. */
export interface LivenessCheck {
  readonly node: NodeEntry;
  readonly liveness: Liveness | undefined;
  readonly check: CheckEntry;
}

export class CatalogState {
  readonly nodes = new Map<string, NodeEntry>();
  readonly nodeNamesById = new Map<string, string>();
  readonly liveness = new Map<string, Liveness>();
  /** What reading makes of a node's liveness, kept so that each of its instances shows the same object. */
  readonly livenessChecks = new Map<string, LivenessCheck>();
  /** Node → id → entry. */
  readonly services = new Map<string, Map<string, ServiceEntry>>();
  readonly checks = new Map<string, Map<string, CheckEntry>>();
  /** Service name → node and id → entry. */
  readonly servicesByName = new Map<string, Map<string, ServiceEntry>>();
  /** Service name → node and id → the entry that speaks for it in a mesh. */
  readonly connectByName = new Map<string, Map<string, ServiceEntry>>();
  readonly checksByStatus: Readonly<Record<CheckStatus, Map<string, CheckEntry>>> = {
    passing: new Map(),
    warning: new Map(),
    critical: new Map(),
  };
  readonly nodesByAddress = new Map<Ip, Map<string, NodeEntry>>();
  readonly servicesByAddress = new Map<Ip, Map<string, ServiceEntry>>();
  readonly resources = new ResourceIndex();
  readonly #mark: (topic: CatalogTopic) => void;

  constructor(mark: (topic: CatalogTopic) => void) {
    this.#mark = mark;
  }

  putNode(node: NodeEntry): void {
    const name = fold(node.name);
    const before = this.nodes.get(name);
    if (before) this.#unlinkNode(name, before);
    this.nodes.set(name, node);
    this.nodeNamesById.set(fold(node.id), name);
    group(this.nodesByAddress, node.address).set(name, node);
    this.#nodeMoved(name, before, node);
  }

  deleteNode(nodeName: string): void {
    const name = fold(nodeName);
    const before = this.nodes.get(name);
    if (!before) return;
    this.nodes.delete(name);
    this.livenessChecks.delete(name);
    this.#unlinkNode(name, before);
    if (this.liveness.get(name)?.alive === false) this.liveness.delete(name);
    this.#nodeMoved(name, before, undefined);
  }

  setLiveness(liveness: Liveness): void {
    const name = fold(liveness.node);
    const before = this.liveness.get(name);
    if (before?.alive && liveness.alive) this.liveness.set(name, { ...liveness, revision: before.revision });
    if (liveness.alive === (before?.alive ?? false)) return;
    if (liveness.alive || this.nodes.has(name)) this.liveness.set(name, liveness);
    else this.liveness.delete(name);
    this.#livenessMoved(name);
  }

  putService(service: ServiceEntry): void {
    const node = fold(service.node);
    const before = this.services.get(node)?.get(service.id);
    if (before) this.#unlinkService(node, before);
    group(this.services, node).set(service.id, service);
    group(this.servicesByName, fold(service.name)).set(instanceKey(node, service.id), service);
    const destination = connectName(service);
    if (destination !== undefined)
      group(this.connectByName, destination).set(instanceKey(node, service.id), service);
    this.resources.put(service);
    const address = ownAddress(service);
    if (address) group(this.servicesByAddress, address).set(instanceKey(node, service.id), service);
    this.#serviceMoved(node, before, service);
  }

  deleteService(nodeName: string, id: string): void {
    const node = fold(nodeName);
    const before = this.services.get(node)?.get(id);
    if (!before) return;
    this.#unlinkService(node, before);
    ungroup(this.services, node, id);
    this.#serviceMoved(node, before, undefined);
  }

  putCheck(check: CheckEntry): void {
    const node = fold(check.node);
    const before = this.checks.get(node)?.get(check.id);
    const key = instanceKey(node, check.id);
    if (before) this.checksByStatus[before.status].delete(key);
    group(this.checks, node).set(check.id, check);
    this.checksByStatus[check.status].set(key, check);
    if (before) this.#checkMoved(node, before);
    this.#checkMoved(node, check);
  }

  deleteCheck(nodeName: string, id: string): void {
    const node = fold(nodeName);
    const before = this.checks.get(node)?.get(id);
    if (!before) return;
    this.checksByStatus[before.status].delete(instanceKey(node, id));
    ungroup(this.checks, node, id);
    this.#checkMoved(node, before);
  }

  /** Whether anything stands behind the topic; if not, its index is a tombstone's. */
  exists(topic: CatalogTopic): boolean {
    switch (topic.kind) {
      case "service":
        return this.servicesByName.has(fold(topic.name));
      case "connect":
        return this.connectByName.has(fold(topic.name));
      case "serviceChecks":
        return this.servicesByName.has(fold(topic.service));
      case "node":
        return this.nodes.has(fold(topic.name));
      case "nodeChecks":
        return this.nodes.has(fold(topic.node));
      case "address":
        return this.nodesByAddress.has(topic.ip) || this.servicesByAddress.has(topic.ip);
      case "resource":
        return this.resources.has(topic.path);
      case "services":
      case "instances":
      case "nodes":
      case "checks":
        return true;
      default:
        return topic satisfies never;
    }
  }

  #unlinkNode(name: string, node: NodeEntry): void {
    if (this.nodeNamesById.get(fold(node.id)) === name) this.nodeNamesById.delete(fold(node.id));
    ungroup(this.nodesByAddress, node.address, name);
  }

  #unlinkService(node: string, service: ServiceEntry): void {
    ungroup(this.servicesByName, fold(service.name), instanceKey(node, service.id));
    const destination = connectName(service);
    if (destination !== undefined) ungroup(this.connectByName, destination, instanceKey(node, service.id));
    this.resources.delete(service);
    const address = ownAddress(service);
    if (address) ungroup(this.servicesByAddress, address, instanceKey(node, service.id));
  }

  #nodeMoved(name: string, before: NodeEntry | undefined, after: NodeEntry | undefined): void {
    this.#mark({ kind: "nodes" });
    if (before) this.#mark({ kind: "address", ip: before.address });
    if (after) this.#mark({ kind: "address", ip: after.address });
    this.#mark({ kind: "checks", state: "warning" });
    for (const service of this.services.get(name)?.values() ?? []) {
      this.#mark({ kind: "services" });
      this.#mark({ kind: "instances" });
      this.#mark({ kind: "serviceChecks", service: service.name });
    }
    this.#livenessMoved(name);
  }

  /** All that shows the node's checks moves with its liveness. */
  #livenessMoved(name: string): void {
    this.#mark({ kind: "node", name });
    this.#mark({ kind: "nodeChecks", node: name });
    this.#mark({ kind: "checks", state: "any" });
    this.#mark({ kind: "checks", state: "passing" });
    this.#mark({ kind: "checks", state: "critical" });
    const address = this.nodes.get(name)?.address;
    if (address) this.#mark({ kind: "address", ip: address });
    this.#servicesOfNodeMoved(name);
  }

  #servicesOfNodeMoved(node: string): void {
    for (const service of this.services.get(node)?.values() ?? []) this.#instanceMoved(service);
  }

  /** Whatever names the instance. */
  #instanceMoved(service: ServiceEntry): void {
    this.#mark({ kind: "service", name: service.name });
    const destination = connectName(service);
    if (destination !== undefined) this.#mark({ kind: "connect", name: destination });
    for (const path of pathsOf(service).met) this.#mark({ kind: "resource", path });
    const address = ownAddress(service);
    if (address) this.#mark({ kind: "address", ip: address });
  }

  #serviceMoved(node: string, before: ServiceEntry | undefined, after: ServiceEntry | undefined): void {
    this.#mark({ kind: "node", name: node });
    for (const service of [before, after]) if (service) this.#instanceMoved(service);
    if (before?.name !== after?.name) {
      for (const service of [before, after])
        if (service) this.#mark({ kind: "serviceChecks", service: service.name });
    }
    // Lists of services do not show the names of containers, so their watchers sleep on.
    if ((after ?? before)?.kind === containerNameKind && (before ?? after)?.kind === containerNameKind)
      return;
    this.#mark({ kind: "instances" });
    const sameNames = before && after && before.name === after.name;
    if (!sameNames || before.tags.join("\0") !== after.tags.join("\0")) this.#mark({ kind: "services" });
  }

  #checkMoved(node: string, check: CheckEntry): void {
    this.#mark({ kind: "node", name: node });
    this.#mark({ kind: "nodeChecks", node });
    this.#mark({ kind: "checks", state: "any" });
    this.#mark({ kind: "checks", state: check.status });
    if (check.serviceId === "") {
      this.#servicesOfNodeMoved(node);
      return;
    }
    const service = this.services.get(node)?.get(check.serviceId);
    const name = service?.name ?? check.serviceName;
    this.#mark({ kind: "service", name });
    this.#mark({ kind: "serviceChecks", service: name });
    if (service) this.#instanceMoved(service);
  }
}

/** The service's address if it has one of its own; host names have no reverse entry here. */
function ownAddress(service: ServiceEntry): Ip | undefined {
  return isIp(service.address) ? parseIp(service.address) : undefined;
}

/** The service that the instance speaks for in a mesh: its destination if it is a proxy, itself if it can. */
function connectName({ kind, name, proxy, connectNative }: ServiceEntry): string | undefined {
  if (connectNative) return fold(name);
  const destination = kind === "connect-proxy" ? proxy?.["DestinationServiceName"] : undefined;
  return typeof destination === "string" ? fold(destination) : undefined;
}

function instanceKey(node: string, id: string): string {
  return `${node}\0${id}`;
}

function group<K, V>(groups: Map<K, Map<string, V>>, key: K): Map<string, V> {
  const members = groups.get(key) ?? new Map<string, V>();
  groups.set(key, members);
  return members;
}

function ungroup<K, V>(groups: Map<K, Map<string, V>>, key: K, member: string): void {
  const members = groups.get(key);
  members?.delete(member);
  if (members?.size === 0) groups.delete(key);
}
