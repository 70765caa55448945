/**
 * The twin of Linux behind the same contract: namespaces, links, addresses, routes, rules, neighbours,
 * forwarding rows, sysctls and nftables in memory, with the refusals and side effects that a plan can meet.
 * It carries no packets, ages nothing, and does not invent IPv6 link-local addresses.
 */
import type { Family, Ip } from "../../addr/index.ts";
import { type Clock, systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { EventFeed } from "../event-feed.ts";
import type {
  Address,
  FdbEntry,
  Kernel,
  KernelEvent,
  KernelTopic,
  Link,
  Neighbour,
  NetnsPath,
  Route,
  RoutePath,
  RouteQuery,
  Rule,
} from "../kernel.ts";
import type { KernelOperation } from "../operation.ts";
import type { ErrnoName } from "../refusal.ts";
import { familyOfRoute } from "../rows.ts";
import { deleteAddress, putAddress } from "./address-operations.ts";
import { changeLink, createLink, deleteLink, setUp } from "./link-operations.ts";
import { MemoryWorld } from "./memory-world.ts";
import { type MemoryNamespace, viewOf } from "./namespace.ts";
import { deleteFdb, deleteNeighbour, putFdb, putNeighbour } from "./neighbour-operations.ts";
import { seekLink } from "./refuse.ts";
import { deleteRoute, deleteRule, putRoute, putRule, routePath } from "./route-operations.ts";
import { putSysctl, readSysctl } from "./sysctls.ts";

export interface MemoryKernelOptions {
  readonly clock?: Clock;
}

export class MemoryKernel implements Kernel {
  readonly #world: MemoryWorld;
  readonly #ns: MemoryNamespace;
  readonly #clock: Clock;
  readonly #feeds = new Set<EventFeed>();

  /** A new host with loopback up; `inside("/proc/1/ns/net")` is its first namespace. */
  constructor(
    options: MemoryKernelOptions = {},
    within?: { world: MemoryWorld; namespace: MemoryNamespace },
  ) {
    this.#clock = options.clock ?? systemClock;
    this.#world = within?.world ?? new MemoryWorld();
    this.#ns = within?.namespace ?? this.#world.add("/proc/1/ns/net");
    if (!within) this.#raiseLoopback();
  }

  #raiseLoopback(): void {
    const lo = this.#ns.linkNamed("lo");
    if (lo) setUp(lo, true);
    putAddress(this.#ns, { op: "address.put", link: "lo", ip: "127.0.0.1" as Ip, prefix: 8, scope: 254 });
    putAddress(this.#ns, { op: "address.put", link: "lo", ip: "::1" as Ip, prefix: 128, scope: 254 });
  }

  get netnsId(): string {
    return this.#ns.id;
  }

  /** Makes a namespace with a loopback link that is down, as `ip netns add` does. */
  addNetns(path: NetnsPath): MemoryKernel {
    return this.#twinOf(this.#world.add(path));
  }

  removeNetns(path: NetnsPath): void {
    this.#world.remove(path);
  }

  /** A network card of the host, up; answers its index. */
  addDevice(name: string, fields: Partial<Pick<Link, "mac" | "mtu" | "up">> = {}): number {
    const mac =
      fields.mac ?? (`02:00:00:00:00:${(this.#ns.links.size + 16).toString(16)}` as Link["mac"] & {});
    const detail = { kind: "other", type: "device" } as const;
    const link = this.#ns.addLink({ name, mac, mtu: fields.mtu ?? 1500, up: fields.up ?? true, detail });
    this.#ns.changed("link");
    return link.index;
  }

  /** Makes the n-th operation from now (1 = the next one), in whichever namespace, fail with the errno. */
  failAt(nth: number, errno: ErrnoName = "ENOMEM"): void {
    this.#world.failAt(nth, errno);
  }

  /** Operations applied so far in all namespaces, failed ones included. */
  get applied(): number {
    return this.#world.applied;
  }

  /** Makes every subscriber of this namespace see an overrun. */
  overrun(): void {
    for (const feed of this.#ns.feeds) feed.overrun();
  }

  async links(): Promise<readonly Link[]> {
    return [...this.#ns.links.values()].map(viewOf);
  }

  async link(name: string): Promise<Link | undefined> {
    const link = this.#ns.linkNamed(name);
    return link && viewOf(link);
  }

  async addresses(linkIndex?: number): Promise<readonly Address[]> {
    return rowsOn(this.#ns.addresses, linkIndex);
  }

  async routes(query: RouteQuery = {}): Promise<readonly Route[]> {
    const { protocol, table, family } = query;
    return [...this.#ns.routes.values()].filter(
      (row) =>
        (protocol === undefined || row.protocol === protocol) &&
        (table === undefined || row.table === table) &&
        (family === undefined || familyOfRoute(row) === family),
    );
  }

  async rules(family: Family): Promise<readonly Rule[]> {
    const rules = [...this.#ns.rules.values()].filter((rule) => rule.family === family);
    return rules.sort((a, b) => a.priority - b.priority);
  }

  async neighbours(linkIndex?: number): Promise<readonly Neighbour[]> {
    return rowsOn(this.#ns.neighbours, linkIndex);
  }

  async fdb(linkIndex: number): Promise<readonly FdbEntry[]> {
    return rowsOn(this.#ns.fdb, linkIndex);
  }

  async routeTo(destination: Ip): Promise<RoutePath> {
    return routePath(this.#ns, destination);
  }

  async apply(operations: readonly KernelOperation[]): Promise<readonly (FabricError | undefined)[]> {
    return operations.map((operation) => {
      try {
        this.#world.count(operation);
        this.#applyOne(operation);
        return undefined;
      } catch (error) {
        if (error instanceof FabricError) return error;
        throw error;
      }
    });
  }

  #applyOne(operation: KernelOperation): void {
    const ns = this.#ns;
    switch (operation.op) {
      case "link.create":
        createLink(ns, operation.link, (path) => this.#world.find(path));
        break;
      case "link.change":
        changeLink(ns, operation, (path) => this.#world.find(path));
        break;
      case "link.delete": {
        const link = seekLink(ns, operation.link);
        if (link) deleteLink(link);
        break;
      }
      case "address.put":
        putAddress(ns, operation);
        break;
      case "address.delete":
        deleteAddress(ns, operation);
        break;
      case "route.put":
        putRoute(ns, operation);
        break;
      case "route.delete":
        deleteRoute(ns, operation);
        break;
      case "rule.put":
        putRule(ns, operation);
        break;
      case "rule.delete":
        deleteRule(ns, operation);
        break;
      case "neighbour.put":
        putNeighbour(ns, operation);
        break;
      case "neighbour.delete":
        deleteNeighbour(ns, operation);
        break;
      case "fdb.put":
        putFdb(ns, operation);
        break;
      case "fdb.delete":
        deleteFdb(ns, operation);
        break;
      case "sysctl.put":
        putSysctl(ns, operation.path, operation.value);
        break;
      default:
        operation satisfies never;
    }
  }

  async sysctl(path: readonly string[]): Promise<string> {
    return readSysctl(this.#ns, path);
  }

  async nftApply(commands: readonly unknown[]): Promise<void> {
    for (const table of this.#ns.nft.run(commands)) this.#ns.changed(`nft ${table}`, this.#feeds);
  }

  async nftTable(family: string, name: string): Promise<readonly unknown[] | undefined> {
    return this.#ns.nft.list(family, name);
  }

  events(topics: readonly KernelTopic[], signal: AbortSignal): AsyncIterable<KernelEvent> {
    const feed = new EventFeed(topics, this.#clock);
    this.#feeds.add(feed);
    this.#ns.feeds.add(feed);
    signal.addEventListener("abort", () => this.#drop(feed), { once: true });
    return feed.events(signal);
  }

  async inside(netns: NetnsPath): Promise<Kernel> {
    return this.#twinOf(this.#world.find(netns));
  }

  #twinOf(namespace: MemoryNamespace): MemoryKernel {
    return new MemoryKernel({ clock: this.#clock }, { world: this.#world, namespace });
  }

  close(): void {
    for (const feed of this.#feeds) this.#drop(feed);
  }

  #drop(feed: EventFeed): void {
    this.#feeds.delete(feed);
    this.#ns.feeds.delete(feed);
  }
}

function rowsOn<T extends { readonly linkIndex: number }>(
  rows: Map<string, T>,
  linkIndex: number | undefined,
): readonly T[] {
  const all = [...rows.values()];
  return linkIndex === undefined ? all : all.filter((row) => row.linkIndex === linkIndex);
}
