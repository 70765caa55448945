/**
 * The views of the catalog: `service/<name>`, `node/<name>`, `reverse/<ip>`. One listener on the registry serves
 * all of them: a change names the topics that moved, and only the open views of those are computed again, once
 * in a turn of the event loop whatever the number of changes and of subscribers.
 */
import { isIp, parseIp } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import {
  type CheckEntry,
  containerNameKind,
  type Indexes,
  livenessCheckId,
  primaryNameTag,
  type RegistryReads,
  type ServiceInstance,
  type Topic,
  topicKey,
} from "../../registry/index.ts";
import type { CheckBrief, NodeViewItem, ReverseViewItem, ServiceViewItem } from "../view-items.ts";
import type { ViewFeed, ViewSink, ViewSource } from "./view-source.ts";

type Items = ReadonlyMap<string, string>;

export function catalogViewSources(registry: RegistryReads): readonly ViewSource[] {
  const openViews = new Map<string, Set<() => void>>();
  const dirty = new Set<string>();
  const refresh = () => {
    const keys = [...dirty];
    dirty.clear();
    for (const key of keys) for (const recompute of openViews.get(key) ?? []) recompute();
  };
  registry.onChange(({ topics }) => {
    const wasClean = dirty.size === 0;
    for (const topic of topics) if (openViews.has(topic)) dirty.add(topic);
    if (wasClean && dirty.size > 0) setImmediate(refresh);
  });

  function open(topic: Topic, sink: ViewSink, read: () => Items): ViewFeed {
    const key = topicKey(topic);
    const views = openViews.get(key) ?? new Set();
    openViews.set(key, views);
    const recompute = () => sink.load(registry.indexOf(topic), read());
    views.add(recompute);
    recompute();
    return {
      caughtUp: async (revision, signal) => {
        await registry.applied(revision, signal);
        if (dirty.has(key)) await new Promise((resolve) => setImmediate(resolve));
      },
      close: () => {
        views.delete(recompute);
        if (views.size === 0) openViews.delete(key);
      },
    };
  }

  return [
    {
      prefix: "service/",
      open: async (name, sink) => open({ kind: "service", name }, sink, readService(registry, name)),
    },
    {
      prefix: "node/",
      open: async (name, sink) => open({ kind: "node", name }, sink, () => readNode(registry, name)),
    },
    {
      prefix: "reverse/",
      async open(text, sink) {
        if (!isIp(text)) throw unknownView(`reverse/${text}`);
        const ip = parseIp(text);
        return open({ kind: "address", ip }, sink, () => readReverse(registry, ip));
      },
    },
  ];
}

export function unknownView(view: string): FabricError {
  const shown = JSON.stringify(view.slice(0, 300));
  return new FabricError(
    "CONTROL_VIEW_UNKNOWN",
    `subscribe to view ${shown}: servers have no such view; correct its name`,
    {
      details: { view: view.slice(0, 300) },
    },
  );
}

/** Remembers the JSON of each instance: of a thousand instances usually one has changed. */
function readService(registry: RegistryReads, name: string): () => Items {
  let before = new Map<string, { readonly stamp: string; readonly json: string }>();
  return () => {
    const now: typeof before = new Map();
    for (const instance of registry.service(name)) {
      const key = `${encodeURIComponent(instance.node.name)}/${encodeURIComponent(instance.service.id)}`;
      const stamp = stampOf(instance);
      const known = before.get(key);
      now.set(key, known?.stamp === stamp ? known : { stamp, json: serviceJson(instance) });
    }
    before = now;
    return new Map([...now].map(([key, { json }]) => [key, json]));
  };
}

function stampOf({ node, service, checks }: ServiceInstance): string {
  let stamp = `${node.modifyIndex} ${service.createIndex} ${service.modifyIndex}`;
  for (const check of checks) stamp += ` ${check.id} ${check.modifyIndex} ${check.status}`;
  return stamp;
}

function serviceJson({ node, service, checks }: ServiceInstance): string {
  const item: ServiceViewItem = { node: bare(node), service: bare(service), checks: checks.map(brief) };
  return JSON.stringify(item);
}

function readNode(registry: RegistryReads, name: string): Items {
  const node = registry.node(name);
  if (node?.name.toLowerCase() !== name.toLowerCase()) return new Map();
  const checks = registry.checksOfNode(node.name).filter((check) => check.serviceId === "");
  const item: NodeViewItem = { node: bare(node), checks: checks.map(brief) };
  return new Map([["node", JSON.stringify(item)]]);
}

function readReverse(registry: RegistryReads, ip: ReturnType<typeof parseIp>): Items {
  const { nodes, services } = registry.atAddress(ip);
  const items = new Map<string, string>();
  const add = (key: string, item: ReverseViewItem) => items.set(key, JSON.stringify(item));
  for (const node of nodes) add(`node/${encodeURIComponent(node.name)}`, { kind: "node", name: node.name });
  for (const { node, service } of services) {
    const key = `service/${encodeURIComponent(node.name)}/${encodeURIComponent(service.id)}`;
    if (service.kind !== containerNameKind)
      add(key, { kind: "service", name: service.name, node: node.name });
    else if (service.tags.includes(primaryNameTag))
      add(key, { kind: "container", name: service.name, node: node.name });
  }
  return items;
}

function brief({ id, name, status, serviceId }: CheckEntry): CheckBrief {
  return { id, name: id === livenessCheckId ? "" : name, status, serviceId };
}

/** A record without the revisions, which differ between equal records. */
export function bare<T extends object>(entry: T & Indexes): Omit<T, keyof Indexes> & T {
  const { createIndex: _created, modifyIndex: _modified, ...record } = entry;
  return record as Omit<T, keyof Indexes> & T;
}
