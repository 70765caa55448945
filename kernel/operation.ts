/**
 * What may be done to a namespace, as data. Every `put` replaces and every `delete` succeeds when there is
 * nothing to delete, so that applying a plan twice is the same as applying it once. `link.create` alone is
 * refused (EEXIST) when the name is taken: a link of that name may be another's.
 */
import type { Ip, Mac } from "../addr/index.ts";
import type { FdbEntry, Neighbour, NetnsPath, Route, Rule } from "./kernel.ts";

/** An end of a veth pair. */
export interface VethEnd {
  readonly name: string;
  readonly mac?: Mac;
  readonly alias?: string;
  /** Administratively up from the start; default false. */
  readonly up?: boolean;
}

export type LinkSpec =
  | {
      readonly kind: "veth";
      readonly name: string;
      readonly mac?: Mac;
      readonly mtu?: number;
      readonly alias?: string;
      readonly up?: boolean;
      /** The other end, made straight in its namespace. */
      readonly peer: VethEnd & { readonly netns?: NetnsPath; readonly mtu?: number };
    }
  | {
      readonly kind: "bridge";
      readonly name: string;
      readonly mac?: Mac;
      readonly mtu?: number;
      readonly alias?: string;
      readonly up?: boolean;
    }
  | {
      readonly kind: "vxlan";
      readonly name: string;
      readonly mac?: Mac;
      readonly mtu?: number;
      readonly alias?: string;
      readonly up?: boolean;
      readonly vni: number;
      readonly port: number;
      readonly local: Ip;
      readonly underlayIndex?: number;
      readonly learning: boolean;
    };

/** Fields to change on a link; absent ones stay. `masterIndex: 0` takes it off its bridge. */
export interface LinkChange {
  readonly name?: string;
  readonly mac?: Mac;
  readonly mtu?: number;
  readonly up?: boolean;
  readonly masterIndex?: LinkRef;
  readonly alias?: string;
  readonly netns?: NetnsPath;
}

/** A link by index, or by name for one that an earlier operation of the same list makes. */
export type LinkRef = number | string;

export type KernelOperation =
  | { readonly op: "link.create"; readonly link: LinkSpec }
  | { readonly op: "link.change"; readonly link: LinkRef; readonly change: LinkChange }
  | { readonly op: "link.delete"; readonly link: LinkRef }
  | {
      readonly op: "address.put" | "address.delete";
      readonly link: LinkRef;
      readonly ip: Ip;
      readonly prefix: number;
      /** rtnetlink scope, default 0; IPv6 addresses are added without duplicate detection (nodad). */
      readonly scope?: number;
    }
  | { readonly op: "route.put" | "route.delete"; readonly route: RouteSpec }
  /** A delete takes a selector that is not given for any: give rules priorities of their own. */
  | { readonly op: "rule.put" | "rule.delete"; readonly rule: Rule }
  | { readonly op: "neighbour.put" | "neighbour.delete"; readonly neighbour: Referring<Neighbour> }
  | { readonly op: "fdb.put" | "fdb.delete"; readonly entry: Referring<FdbEntry> }
  | { readonly op: "sysctl.put"; readonly path: readonly string[]; readonly value: string };

/**
 * `route.delete` removes the row that equals the given one in destination, table, metric, type and protocol,
 * and in link and next hop when they are given; a route of another maker stays. In IPv4 no metric stands for
 * any: without a route of metric 0 the one with the lowest goes (fib_table_delete in Linux). In IPv6 a
 * unicast route is told from one that rejects by its link or next hop only: name one of them.
 */
export type RouteSpec = Omit<Route, "linkIndex"> & { readonly link?: LinkRef };

/** A row whose link may be named instead of numbered. */
export type Referring<T extends { readonly linkIndex: number }> = Omit<T, "linkIndex"> & {
  readonly link: LinkRef;
};
