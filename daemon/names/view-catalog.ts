/**
 * The catalog as DNS reads it on an agent: one view a name, opened by the first question for it and pushed by
 * the server from then on, so that every later answer is made from memory. A name that nobody asked for in a
 * while is let go, the longest unused first when there are too many; letting go is announced like a change, as
 * a ready answer must not outlive the view it came from.
 *
 * What an earlier run left on disk answers only while there is no server: with one, its word is waited for.
 */
import { type Ip, isIp, parseIp } from "../../addr/index.ts";
import type { Clock, Timer } from "../../clock/index.ts";
import {
  type KeyViewItem,
  type NodeListItem,
  type NodeViewItem,
  overflowKey,
  type QueryViewItem,
  type ReverseViewItem,
  type ServiceViewItem,
  type ViewHandle,
} from "../../control/index.ts";
import type {
  CatalogChange,
  CatalogReader,
  KeyTree,
  MaybePromise,
  NodeAnswer,
  QueryAnswer,
  ReverseTarget,
  ServiceInstance,
} from "../../dns/index.ts";
import { FabricError } from "../../errors/index.ts";
import {
  containerNameKind,
  containerServiceName,
  isMaintenanceCheck,
  livenessCheckId,
  parseContainerService,
  worstStatus,
} from "../../registry/index.ts";
import { CatalogAge, type ServerContact } from "./catalog-age.ts";

/** What is needed of the control client. */
export interface ViewOpener extends ServerContact {
  subscribe(view: string): ViewHandle;
}

export interface ViewCatalogLimits {
  /** Names held at one time. */
  readonly viewsMax: number;
  /** A name that nobody asked for so long is let go. */
  readonly idleMs: number;
  /** Longest wait for the first content of a name; beyond, the question fails. */
  readonly firstAnswerMs: number;
  /** Without a server for so long, answers say that they may be out of date. */
  readonly staleAfterMs: number;
}

export const viewCatalogLimits: ViewCatalogLimits = {
  viewsMax: 4096,
  idleMs: 600_000,
  firstAnswerMs: 2000,
  staleAfterMs: 5000,
};

interface OpenView {
  readonly handle: ViewHandle;
  readonly change: CatalogChange;
  askedAtMs: number;
}

export class ViewCatalog implements CatalogReader {
  readonly #opener: ViewOpener;
  readonly #clock: Clock;
  readonly #datacenter: string;
  readonly #limits: ViewCatalogLimits;
  /** In order of the last question, the oldest first. */
  readonly #views = new Map<string, OpenView>();
  readonly #listeners = new Set<(change: CatalogChange) => void>();
  readonly #age: CatalogAge;
  #sweep: Timer | undefined;

  constructor(opener: ViewOpener, clock: Clock, datacenter: string, limits: Partial<ViewCatalogLimits> = {}) {
    this.#opener = opener;
    this.#clock = clock;
    this.#datacenter = datacenter.toLowerCase();
    this.#limits = { ...viewCatalogLimits, ...limits };
    this.#age = new CatalogAge(opener, clock, this.#limits.staleAfterMs, () =>
      this.#announce({ kind: "all" }),
    );
    this.#armSweep();
  }

  get size(): number {
    return this.#views.size;
  }

  service(name: string): MaybePromise<readonly ServiceInstance[] | undefined> {
    return this.#read(`service/${name}`, { kind: "service", name }, (items) =>
      items.size === 0 ? undefined : instancesOf(items),
    );
  }

  node(name: string): MaybePromise<NodeAnswer | undefined> {
    return this.#read(`node/${name}`, { kind: "node", name }, (items) => {
      const item = items.get("node") as NodeViewItem | undefined;
      return (
        item && {
          name: item.node.name,
          up: isUp(item),
          addresses: addressesOf(item.node),
          meta: item.node.meta,
          ...placeOf(item),
        }
      );
    });
  }

  query(name: string): MaybePromise<QueryAnswer | undefined> {
    return this.#read(`query/${name}`, { kind: "query", name }, (items) => {
      const item = items.get("query") as QueryViewItem | undefined;
      const found = new Map([...items].filter(([key]) => key !== "query"));
      return item && { ...item, instances: instancesOf(found) };
    });
  }

  nodes(): MaybePromise<readonly NodeAnswer[]> {
    return this.#read("nodes", { kind: "nodes" }, (items) =>
      [...items].map(([name, item]) => ({
        name,
        up: (item as NodeListItem).up,
        addresses: (item as NodeListItem).addresses,
        meta: {},
      })),
    );
  }

  container(name: string, network: string): MaybePromise<readonly Ip[]> {
    const view = `service/${containerServiceName(name, network)}`;
    return this.#read(view, { kind: "container", name, network }, (items) =>
      [...items.values()].flatMap((item) => {
        const { service, checks } = item as ServiceViewItem;
        const named = service.kind === containerNameKind && isUp({ checks });
        return named && isIp(service.address) ? [parseIp(service.address)] : [];
      }),
    );
  }

  reverse(ip: Ip): MaybePromise<readonly ReverseTarget[]> {
    const datacenter = this.#datacenter;
    return this.#read(`reverse/${ip}`, { kind: "reverse", ip }, (items) =>
      [...items.values()].map((item) => {
        const { kind, name } = item as ReverseViewItem;
        return { kind, name: kind === "container" ? name.replace(/\.docker$/, "") : name, datacenter };
      }),
    );
  }

  /** Opens what an earlier run held, as if it had been asked for now. */
  warm(views: readonly string[]): void {
    for (const view of views) {
      const change = changeOf(view);
      if (change && this.#views.size < this.#limits.viewsMax) this.#use(view, change);
    }
  }

  keys(path: string): MaybePromise<KeyTree> {
    return this.#read(`keys/${path}`, { kind: "keys", path }, (items) => {
      const complete = !items.has(overflowKey);
      const values = [...items].map(([key, item]) => [key, (item as KeyViewItem).value] as const);
      return { values: new Map(complete ? values : []), complete };
    });
  }

  ageMs(source: string): number | undefined {
    const [kind, network = "", name = ""] = source.split("/");
    const view = kind === "container" ? `service/${containerServiceName(name, network)}` : source;
    return this.#views.get(view)?.handle.ageMs();
  }

  datacenters(): readonly string[] {
    return [this.#datacenter];
  }

  staleSinceMs(): number | undefined {
    return this.#age.sinceMs;
  }

  onChange(listener: (change: CatalogChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#sweep?.cancel();
    this.#age.close();
    for (const { handle } of this.#views.values()) handle.close();
    this.#views.clear();
    this.#listeners.clear();
  }

  #read<T>(
    view: string,
    change: CatalogChange,
    read: (items: ReadonlyMap<string, unknown>) => T,
  ): MaybePromise<T> {
    const handle = this.#use(view, change);
    if (handle.ready && (handle.told || !this.#opener.state.connected)) {
      if (!handle.told) this.#age.noteAge(handle.ageMs());
      return read(handle.items);
    }
    return this.#firstContent(handle).then(
      () => read(handle.items),
      (error: unknown) => {
        // A view that was refused stays empty; the next question is to ask the server again.
        if (!handle.ready && this.#views.get(view)?.handle === handle) this.#letGo(view);
        throw error;
      },
    );
  }

  /** The view, opened if need be, and moved behind all others. */
  #use(view: string, change: CatalogChange): ViewHandle {
    const open = this.#views.get(view) ?? this.#open(view, change);
    open.askedAtMs = this.#clock.monotonicMs();
    this.#views.delete(view);
    this.#views.set(view, open);
    return open.handle;
  }

  #open(view: string, content: CatalogChange): OpenView {
    if (this.#views.size >= this.#limits.viewsMax) {
      const [oldest] = this.#views.keys();
      if (oldest !== undefined) this.#letGo(oldest);
    }
    const handle = this.#opener.subscribe(view);
    const change =
      content.kind === "service" ? { ...content, instances: () => instancesOf(handle.items) } : content;
    handle.onChange(() => this.#announce(change));
    return { handle, change: content, askedAtMs: 0 };
  }

  async #firstContent(handle: ViewHandle): Promise<void> {
    const giveUp = new AbortController();
    const timer = this.#clock.setTimer(this.#limits.firstAnswerMs, () =>
      giveUp.abort(
        new FabricError(
          "DAEMON_NAME_UNAVAILABLE",
          `look up ${handle.view}: no server told of it within ${this.#limits.firstAnswerMs} ms; see \`heddle status\``,
        ),
      ),
    );
    try {
      await (this.#opener.state.connected ? handle.whenTold : handle.whenReady)(giveUp.signal);
    } catch (error) {
      if (!handle.ready) throw error;
    } finally {
      timer.cancel();
    }
  }

  #letGo(view: string): void {
    const open = this.#views.get(view);
    if (!open) return;
    this.#views.delete(view);
    open.handle.forget();
    this.#announce(open.change);
  }

  #armSweep(): void {
    this.#sweep = this.#clock.setTimer(this.#limits.idleMs / 4, () => {
      const beforeMs = this.#clock.monotonicMs() - this.#limits.idleMs;
      for (const [view, { askedAtMs }] of [...this.#views]) {
        if (askedAtMs > beforeMs) break;
        this.#letGo(view);
      }
      this.#armSweep();
    });
  }

  #announce(change: CatalogChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function instancesOf(items: ReadonlyMap<string, unknown>): readonly ServiceInstance[] {
  return [...items.values()].map((item) => instanceOf(item as ServiceViewItem));
}

/** Of a view that `warm` may open. */
function changeOf(view: string): CatalogChange | undefined {
  if (view === "nodes") return { kind: "nodes" };
  const slash = view.indexOf("/");
  const [kind, name] = [view.slice(0, slash), view.slice(slash + 1)];
  if (kind === "node" || kind === "query") return { kind, name };
  if (kind === "reverse" && isIp(name)) return { kind, ip: parseIp(name) };
  if (kind === "keys") return { kind, path: name };
  if (kind !== "service") return undefined;
  const container = parseContainerService(name);
  return container ? { kind: "container", ...container } : { kind, name };
}

export function instanceOf({ node, service, checks, coordinate }: ServiceViewItem): ServiceInstance {
  const failing = checks.flatMap(({ id, name, status }) =>
    status === "passing" ? [] : [{ id, name, status }],
  );
  return {
    node: node.name,
    id: service.id,
    nodeUp: isUp({ checks }),
    nodeAddresses: addressesOf(node),
    ...(service.address !== "" && { address: service.address }),
    lanAddresses: lanAddressesOf(service),
    port: service.port,
    ...(service.ports && { ports: service.ports }),
    tags: service.tags,
    status: worstStatus(checks),
    weights: service.weights,
    meta: service.meta,
    maintenance: checks.some(isMaintenanceCheck),
    failing,
    ...placeOf({ node, ...(coordinate && { coordinate }) }),
  };
}

function placeOf({ node: { fabric }, coordinate }: Pick<NodeViewItem, "node" | "coordinate">) {
  return { ...(fabric && { zone: fabric.zone }), ...(coordinate && { coordinate }) };
}

function isUp({ checks }: Pick<NodeViewItem, "checks">): boolean {
  return checks.every(({ id, status }) => id !== livenessCheckId || status !== "critical");
}

function lanAddressesOf({ taggedAddresses }: ServiceViewItem["service"]): readonly Ip[] {
  return ["lan_ipv4", "lan_ipv6"].flatMap((tag) => {
    const { address = "" } = taggedAddresses[tag] ?? {};
    return isIp(address) ? [parseIp(address)] : [];
  });
}

/** The node's address, and the one of the other family if the fabric knows it. */
function addressesOf({ address, fabric }: NodeViewItem["node"]): readonly Ip[] {
  return [...new Set([parseIp(address), ...(fabric?.underlay ?? [])])];
}
