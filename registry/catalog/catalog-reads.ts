/**
 * Answers computed from the catalog's state. A fabric node's liveness appears here as its `serfHealth` check:
 * it is made on reading, so that ten thousand beating nodes write nothing to the catalog.
 */
import type { Ip } from "../../addr/index.ts";
import {
  type CheckEntry,
  type CheckStatus,
  containerNameKind,
  livenessCheckId,
  type NodeEntry,
  type ServiceEntry,
  type ServiceInstance,
} from "../model.ts";
import { type CatalogState, fold } from "./catalog-state.ts";

export function listNodes(state: CatalogState): NodeEntry[] {
  return [...state.nodes.values()].sort((a, b) => compare(a.name, b.name));
}

export function findNode(state: CatalogState, nameOrId: string): NodeEntry | undefined {
  const key = fold(nameOrId);
  return state.nodes.get(key) ?? state.nodes.get(state.nodeNamesById.get(key) ?? "");
}

export function tagsByService(state: CatalogState): Map<string, readonly string[]> {
  const tags = new Map<string, Set<string>>();
  for (const instances of state.servicesByName.values()) {
    for (const service of instances.values()) {
      if (service.kind === containerNameKind || !state.nodes.has(fold(service.node))) continue;
      const known = tags.get(service.name) ?? new Set();
      tags.set(service.name, known);
      for (const tag of service.tags) known.add(tag);
    }
  }
  const names = [...tags.keys()].sort(compare);
  return new Map(names.map((name) => [name, [...(tags.get(name) ?? [])].sort(compare)]));
}

export function instancesOf(state: CatalogState, name: string): ServiceInstance[] {
  return instances(state, state.servicesByName.get(fold(name))?.values() ?? []);
}

/** The proxies of the service, and its own instances that need none. */
export function connectInstancesOf(state: CatalogState, name: string): ServiceInstance[] {
  return instances(state, state.connectByName.get(fold(name))?.values() ?? []);
}

export function providersOf(state: CatalogState, needs: readonly string[]): ServiceInstance[] {
  return instances(state, state.resources.providersOf(needs));
}

export function servicesOn(state: CatalogState, node: string): ServiceEntry[] {
  return [...(state.services.get(fold(node))?.values() ?? [])].sort((a, b) => compare(a.id, b.id));
}

export function serviceOn(state: CatalogState, node: string, id: string): ServiceEntry | undefined {
  return state.services.get(fold(node))?.get(id);
}

/** All checks on the node, its services' included; empty for an unknown node. */
export function checksOn(state: CatalogState, nodeName: string): CheckEntry[] {
  const node = state.nodes.get(fold(nodeName));
  if (!node) return [];
  const liveness = livenessCheck(state, node);
  const registered = [...(state.checks.get(fold(nodeName))?.values() ?? [])];
  registered.sort((a, b) => compare(a.id, b.id));
  if (!liveness) return registered;
  return [liveness, ...registered.filter((check) => check.id !== livenessCheckId)];
}

export function checkOn(state: CatalogState, nodeName: string, id: string): CheckEntry | undefined {
  const node = state.nodes.get(fold(nodeName));
  const liveness = node && id === livenessCheckId ? livenessCheck(state, node) : undefined;
  return liveness ?? (node && state.checks.get(fold(nodeName))?.get(id));
}

export function checksOfServiceNamed(state: CatalogState, name: string): CheckEntry[] {
  const found: CheckEntry[] = [];
  for (const { service, checks } of instancesOf(state, name))
    found.push(...checks.filter((check) => check.serviceId === service.id));
  return found;
}

export function checksWithStatus(state: CatalogState, status: CheckStatus | "any"): CheckEntry[] {
  const found: CheckEntry[] = [];
  const statuses: readonly CheckStatus[] = status === "any" ? ["passing", "warning", "critical"] : [status];
  for (const one of statuses) {
    for (const check of state.checksByStatus[one].values()) {
      const node = state.nodes.get(fold(check.node));
      if (node && !(node.fabric && check.id === livenessCheckId)) found.push(check);
    }
  }
  for (const node of state.nodes.values()) {
    const liveness = livenessCheck(state, node);
    if (liveness && statuses.includes(liveness.status)) found.push(liveness);
  }
  return found.sort((a, b) => compare(a.node, b.node) || compare(a.id, b.id));
}

export function entriesAt(
  state: CatalogState,
  ip: Ip,
): { nodes: readonly NodeEntry[]; services: readonly ServiceInstance[] } {
  const nodes = [...(state.nodesByAddress.get(ip)?.values() ?? [])];
  nodes.sort((a, b) => compare(a.name, b.name));
  return { nodes, services: instances(state, state.servicesByAddress.get(ip)?.values() ?? []) };
}

function instances(state: CatalogState, services: Iterable<ServiceEntry>): ServiceInstance[] {
  const found: ServiceInstance[] = [];
  for (const service of services) {
    const node = state.nodes.get(fold(service.node));
    if (node) found.push({ node, service, checks: checksOfInstance(state, node, service) });
  }
  return found.sort((a, b) => compare(a.node.name, b.node.name) || compare(a.service.id, b.service.id));
}

function checksOfInstance(state: CatalogState, node: NodeEntry, service: ServiceEntry): CheckEntry[] {
  const { ofNode, ofService } = checksByService(state, node, (id) => id === service.id);
  return [...ofNode, ...(ofService.get(service.id) ?? [])];
}

/** Several instances of one node: one pass over its checks. */
export function instancesOn(
  state: CatalogState,
  nodeName: string,
  ids: ReadonlySet<string>,
): ReadonlyMap<string, ServiceInstance> {
  const found = new Map<string, ServiceInstance>();
  const node = state.nodes.get(fold(nodeName));
  if (!node) return found;
  const { ofNode, ofService } = checksByService(state, node, (id) => ids.has(id));
  for (const id of ids) {
    const service = serviceOn(state, nodeName, id);
    if (service) found.set(id, { node, service, checks: [...ofNode, ...(ofService.get(id) ?? [])] });
  }
  return found;
}

function checksByService(state: CatalogState, node: NodeEntry, isWanted: (serviceId: string) => boolean) {
  const liveness = livenessCheck(state, node);
  const ofNode: CheckEntry[] = [];
  const ofService = new Map<string, CheckEntry[]>();
  for (const check of state.checks.get(fold(node.name))?.values() ?? []) {
    if (liveness && check.id === livenessCheckId) continue;
    if (check.serviceId === "") ofNode.push(check);
    else if (isWanted(check.serviceId)) {
      const checks = ofService.get(check.serviceId);
      if (checks) checks.push(check);
      else ofService.set(check.serviceId, [check]);
    }
  }
  for (const checks of [ofNode, ...ofService.values()]) checks.sort((a, b) => compare(a.id, b.id));
  return { ofNode: liveness ? [liveness, ...ofNode] : ofNode, ofService };
}

/** The check that a fabric node's liveness makes; undefined for a node outside of the fabric. */
export function livenessCheck(state: CatalogState, node: NodeEntry): CheckEntry | undefined {
  if (!node.fabric) return undefined;
  const key = fold(node.name);
  const liveness = state.liveness.get(key);
  const held = state.livenessChecks.get(key);
  if (held?.node === node && held.liveness === liveness) return held.check;
  const alive = liveness?.alive ?? false;
  const check: CheckEntry = {
    node: node.name,
    id: livenessCheckId,
    name: "Serf Health Status",
    status: alive ? "passing" : "critical",
    notes: "",
    output: alive ? "Agent alive and reachable" : "Agent not live or unreachable",
    serviceId: "",
    serviceName: "",
    serviceTags: [],
    type: "",
    interval: "",
    timeout: "",
    createIndex: node.createIndex,
    modifyIndex: Math.max(liveness?.revision ?? 0, node.createIndex),
  };
  if (state.nodes.get(key) === node) state.livenessChecks.set(key, { node, liveness, check });
  return check;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
