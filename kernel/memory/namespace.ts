/**
 * What one network namespace holds, and nothing about how it may change. Rows are kept by their key, so a
 * `put` is one Map write and 10,000 nodes' rows stay linear.
 */
import type { Mac } from "../../addr/index.ts";
import type { EventFeed } from "../event-feed.ts";
import type { Address, FdbEntry, KernelTopic, Link, LinkDetail, Neighbour, Route, Rule } from "../kernel.ts";
import { kernelProtocol, localTable, mainTable, ruleKey } from "../rows.ts";
import { NftState } from "./nft-state.ts";

/** A link as the twin keeps it; `peer` is the other end of a veth, wherever it is. */
export interface MemoryLink {
  namespace: MemoryNamespace;
  index: number;
  name: string;
  mac: Mac;
  mtu: number;
  up: boolean;
  masterIndex?: number;
  alias?: string;
  detail: Exclude<LinkDetail, { kind: "veth" }> | { readonly kind: "veth" };
  peer?: MemoryLink;
}

/** The table after which a lookup ends; every namespace has a rule to it though it is empty. */
const defaultTable = 253;

export class MemoryNamespace {
  readonly id: string;
  readonly links = new Map<number, MemoryLink>();
  readonly addresses = new Map<string, Address>();
  readonly routes = new Map<string, Route>();
  readonly rules = new Map<string, Rule>();
  readonly neighbours = new Map<string, Neighbour>();
  readonly fdb = new Map<string, FdbEntry>();
  readonly sysctls = new Map<string, string>();
  readonly nft = new NftState();
  readonly feeds = new Set<EventFeed>();
  #nextIndex = 1;

  constructor(id: string) {
    this.id = id;
    this.addLink({
      name: "lo",
      mac: "00:00:00:00:00:00" as Mac,
      mtu: 65536,
      up: false,
      detail: { kind: "other", type: "device" },
    });
    for (const family of [4, 6] as const) {
      const tables = [
        [0, localTable],
        [32766, mainTable],
        ...(family === 4 ? [[32767, defaultTable]] : []),
      ] as const;
      for (const [priority = 0, table = 0] of tables) {
        const rule: Rule = { family, priority, table, protocol: kernelProtocol };
        this.rules.set(ruleKey(rule), rule);
      }
    }
  }

  addLink(fields: Omit<MemoryLink, "index" | "namespace">, wantedIndex?: number): MemoryLink {
    const isFree = wantedIndex !== undefined && !this.links.has(wantedIndex);
    const index = isFree ? wantedIndex : this.#nextIndex++;
    this.#nextIndex = Math.max(this.#nextIndex, index + 1);
    const link = { ...fields, index, namespace: this };
    this.links.set(index, link);
    return link;
  }

  linkNamed(name: string): MemoryLink | undefined {
    for (const link of this.links.values()) if (link.name === name) return link;
    return undefined;
  }

  /** Tells every feed but those in `except`. */
  changed(topic: KernelTopic, except?: ReadonlySet<EventFeed>): void {
    for (const feed of this.feeds) if (!except?.has(feed)) feed.change(topic);
  }
}

/** Drops every row the predicate holds for; true when there was one. */
export function dropRows<T>(rows: Map<string, T>, isGone: (row: T) => boolean): boolean {
  const before = rows.size;
  for (const [key, row] of rows) if (isGone(row)) rows.delete(key);
  return rows.size < before;
}

/** The link as a reader sees it. */
export function viewOf(link: MemoryLink): Link {
  const detail: LinkDetail =
    link.detail.kind === "veth" ? { kind: "veth", peerIndex: link.peer?.index ?? 0 } : link.detail;
  return {
    index: link.index,
    name: link.name,
    mac: link.mac,
    mtu: link.mtu,
    up: link.up,
    ...(link.masterIndex === undefined ? {} : { masterIndex: link.masterIndex }),
    ...(link.alias === undefined ? {} : { alias: link.alias }),
    detail,
  };
}
