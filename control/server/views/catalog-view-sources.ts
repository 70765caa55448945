/**
 * The views of the catalog: `service/<name>`, `node/<name>`, `reverse/<ip>`, `query/<name>`. One listener on the registry serves
 * all of them: a change names the topics that moved, and only the open views of those are computed again, once
 * in a while (see refresh-pace.ts) whatever the number of changes and of subscribers.
 */
import { isIp, parseIp } from "../../../addr/index.ts";
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import {
  containerNameKind,
  primaryNameTag,
  type RegistryReads,
  type Topic,
  topicKey,
} from "../../../registry/index.ts";
import type { NodeViewItem, ReverseViewItem } from "../../view-items.ts";
import { queryReader } from "./query-view.ts";
import { RefreshPace } from "./refresh-pace.ts";
import { bare, brief, type Items, serviceItems } from "./service-items.ts";
import type { ViewFeed, ViewSink, ViewSource } from "./view-source.ts";

export function catalogViewSources(registry: RegistryReads, clock: Clock): readonly ViewSource[] {
  const openViews = new Map<string, Set<() => void>>();
  const dirty = new Set<string>();
  const pace = new RefreshPace(clock, () => {
    const keys = [...dirty];
    dirty.clear();
    // Gathered first: a view that is computed again may leave a topic and come back to it.
    const moved = new Set(keys.flatMap((key) => [...(openViews.get(key) ?? [])]));
    for (const recompute of moved) recompute();
  });
  registry.onChange(({ topics }) => {
    for (const topic of topics) if (openViews.has(topic)) dirty.add(topic);
    if (dirty.size > 0) pace.ask();
  });

  /** `topics` may be others after each change; the content is read again when any of them moves. */
  function open(topics: () => readonly Topic[], sink: ViewSink, read: () => Items): ViewFeed {
    let keys: readonly string[] = [];
    let isClosed = false;
    const recompute = () => {
      if (isClosed) return;
      const current = topics();
      follow(current.map(topicKey));
      sink.load(Math.max(...current.map((topic) => registry.indexOf(topic))), read());
    };
    const follow = (wanted: readonly string[]) => {
      for (const key of keys) {
        const views = openViews.get(key);
        views?.delete(recompute);
        if (views?.size === 0) openViews.delete(key);
      }
      keys = wanted;
      for (const key of keys) openViews.set(key, (openViews.get(key) ?? new Set()).add(recompute));
    };
    recompute();
    return {
      caughtUp: async (revision, signal) => {
        await registry.applied(revision, signal);
        if (keys.some((key) => dirty.has(key))) await pace.settled();
      },
      close: () => {
        isClosed = true;
        follow([]);
      },
    };
  }

  return [
    {
      prefix: "service/",
      open: async (name, sink) => {
        const read = serviceItems();
        return open(
          () => [{ kind: "service", name }],
          sink,
          () => new Map(read(registry.service(name))),
        );
      },
    },
    {
      prefix: "node/",
      open: async (name, sink) =>
        open(
          () => [
            { kind: "node", name },
            { kind: "nodeCoordinates", node: name },
          ],
          sink,
          () => readNode(registry, name),
        ),
    },
    {
      prefix: "reverse/",
      async open(text, sink) {
        if (!isIp(text)) throw unknownView(`reverse/${text}`);
        const ip = parseIp(text);
        return open(
          () => [{ kind: "address", ip }],
          sink,
          () => readReverse(registry, ip),
        );
      },
    },
    {
      prefix: "query/",
      async open(name, sink) {
        const read = queryReader(registry, name);
        return open(read.topics, sink, read.items);
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

function readNode(registry: RegistryReads, name: string): Items {
  const node = registry.node(name);
  if (node?.name.toLowerCase() !== name.toLowerCase()) return new Map();
  const checks = registry.checksOfNode(node.name).filter((check) => check.serviceId === "");
  const [held] = registry.coordinatesOfNode(node.name);
  const item: NodeViewItem = {
    node: bare(node),
    checks: checks.map(brief),
    ...(held && { coordinate: held.coordinate }),
  };
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
