/**
 * Linux by netlink: the contract over one socket that belongs to the namespace. Every conversation is
 * synchronous (see netlink-socket.ts); the promises are for the twin's and nft's sake, and `apply` lets the
 * event loop run between batches.
 */
import { closeSync } from "node:fs";
import type { Family, Ip } from "../../addr/index.ts";
import { systemClock } from "../../clock/index.ts";
import type { FabricError } from "../../errors/index.ts";
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
import { type NetnsHandle, openNetns, withinNetns } from "../libc/index.ts";
import { applyRuleset, listTable, type NftOptions, RecentRuns } from "../nft/index.ts";
import type { KernelOperation } from "../operation.ts";
import { refusal, refusedErrno } from "../refusal.ts";
import { readAddress, writeAddressQuery } from "./address-codec.ts";
import { applyOperations } from "./apply.ts";
import { messageType } from "./constants.ts";
import { seekLink } from "./link-changes.ts";
import { readLink, writeLinkQuery } from "./link-codec.ts";
import { readFdbEntry, readNeighbour, writeFdbQuery, writeNeighbourQuery } from "./neighbour-codec.ts";
import { NetlinkSocket, openChannel } from "./netlink-socket.ts";
import { nftSource } from "./nft-notifications.ts";
import { readRoute, readRoutePath, writeRouteLookup, writeRouteQuery } from "./route-codec.ts";
import { routeSource } from "./route-notifications.ts";
import { readRule, writeRuleQuery } from "./rule-codec.ts";
import { subscribe } from "./subscription.ts";
import { readSysctl, writeSysctl } from "./sysctls.ts";

export interface NetlinkKernelOptions {
  /** The nft(8) to run, default `nft` of PATH. */
  readonly nftProgram?: string;
  /** Default 10,000. */
  readonly nftTimeoutMs?: number;
}

export class NetlinkKernel implements Kernel {
  readonly #netns: NetnsHandle;
  readonly #socket: NetlinkSocket;
  readonly #options: NetlinkKernelOptions;
  readonly #closing = new AbortController();
  readonly #nftRuns = new RecentRuns(systemClock);

  /** @throws KERNEL_NO_NETNS, KERNEL_REFUSED */
  constructor(options: NetlinkKernelOptions = {}, netns?: NetnsPath) {
    this.#options = options;
    this.#netns = openNetns(netns);
    try {
      this.#socket = this.#within(() => new NetlinkSocket(openChannel()));
    } catch (error) {
      closeSync(this.#netns.fd);
      throw error;
    }
  }

  get netnsId(): string {
    return this.#netns.id;
  }

  readonly #within = <T>(action: () => T): T => withinNetns(this.#netns.fd, action);

  async links(): Promise<readonly Link[]> {
    return this.#socket.dump("list links", messageType.getLink, (writer) => writeLinkQuery(writer), readLink);
  }

  async link(name: string): Promise<Link | undefined> {
    return seekLink(this.#socket, name);
  }

  async addresses(linkIndex?: number): Promise<readonly Address[]> {
    return orNone("ENODEV", () =>
      this.#socket.dump(
        "list addresses",
        messageType.getAddress,
        (writer) => writeAddressQuery(writer, linkIndex),
        readAddress,
      ),
    );
  }

  async routes(query: RouteQuery = {}): Promise<readonly Route[]> {
    const families = query.family === undefined ? ([4, 6] as const) : [query.family];
    return families.flatMap((family) => this.#routesOf(family, query));
  }

  /** A table that was never written to does not exist. */
  #routesOf(family: Family, query: RouteQuery): readonly Route[] {
    const { protocol, table } = query;
    const rows = orNone("ENOENT", () =>
      this.#socket.dump(
        "list routes",
        messageType.getRoute,
        (writer) => writeRouteQuery(writer, family, query),
        readRoute,
      ),
    );
    return rows.filter(
      (row) =>
        (protocol === undefined || row.protocol === protocol) && (table === undefined || row.table === table),
    );
  }

  async rules(family: Family): Promise<readonly Rule[]> {
    return this.#socket.dump(
      "list rules",
      messageType.getRule,
      (writer) => writeRuleQuery(writer, family),
      readRule,
    );
  }

  async neighbours(linkIndex?: number): Promise<readonly Neighbour[]> {
    const list = (isProxy: boolean) =>
      this.#socket.dump(
        "list neighbours",
        messageType.getNeighbour,
        (writer) => writeNeighbourQuery(writer, isProxy, linkIndex),
        readNeighbour,
      );
    return [...list(false), ...list(true)].filter(
      (row) => linkIndex === undefined || row.linkIndex === linkIndex,
    );
  }

  async fdb(linkIndex: number): Promise<readonly FdbEntry[]> {
    const rows = orNone("ENODEV", () =>
      this.#socket.dump(
        "list forwarding rows",
        messageType.getNeighbour,
        (writer) => writeFdbQuery(writer, linkIndex),
        readFdbEntry,
      ),
    );
    return rows.filter((row) => row.linkIndex === linkIndex);
  }

  async routeTo(destination: Ip): Promise<RoutePath> {
    const what = `ip route get ${destination}`;
    const answer = this.#socket.ask(what, messageType.getRoute, (writer) =>
      writeRouteLookup(writer, destination),
    );
    if (!answer) throw refusal(what, "ENETUNREACH");
    return readRoutePath(answer.body);
  }

  async apply(operations: readonly KernelOperation[]): Promise<readonly (FabricError | undefined)[]> {
    const context = {
      socket: this.#socket,
      openSocket: (fd: number) => withinNetns(fd, () => new NetlinkSocket(openChannel())),
      putSysctl: (path: readonly string[], value: string) => this.#within(() => writeSysctl(path, value)),
    };
    return applyOperations(context, operations);
  }

  async sysctl(path: readonly string[]): Promise<string> {
    return this.#within(() => readSysctl(path));
  }

  nftApply(commands: readonly unknown[]): Promise<void> {
    return applyRuleset(commands, this.#nftOptions());
  }

  nftTable(family: string, name: string): Promise<readonly unknown[] | undefined> {
    return listTable(family, name, this.#nftOptions());
  }

  #nftOptions(): NftOptions {
    const { nftProgram, nftTimeoutMs } = this.#options;
    return {
      ...(nftProgram === undefined ? {} : { program: nftProgram }),
      ...(nftTimeoutMs === undefined ? {} : { timeoutMs: nftTimeoutMs }),
      withinNamespace: this.#within,
      runs: this.#nftRuns,
    };
  }

  events(topics: readonly KernelTopic[], signal: AbortSignal): AsyncIterable<KernelEvent> {
    const feed = new EventFeed(topics, systemClock);
    const ending = AbortSignal.any([signal, this.#closing.signal]);
    const sources = [routeSource(topics, feed), nftSource(topics, feed, this.#nftRuns)];
    for (const source of sources) if (source) subscribe(source, ending, this.#within);
    return feed.events(ending);
  }

  async inside(netns: NetnsPath): Promise<Kernel> {
    return new NetlinkKernel(this.#options, netns);
  }

  /** Ends its event streams too. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#socket.close();
    closeSync(this.#netns.fd);
  }
}

/** A table of something that is not there is empty. */
function orNone<T>(errno: string, read: () => readonly T[]): readonly T[] {
  try {
    return read();
  } catch (error) {
    if (refusedErrno(error) === errno) return [];
    throw error;
  }
}
