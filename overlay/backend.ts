/**
 * The contract of a backend: one method that says which rows carry a prefix to a remote node, or why it
 * cannot. Backends are pure; what they need to know of the node is in the context.
 */
import { type Cidr, type Family, familyOf, type Ip } from "../addr/index.ts";
import { type RoutePath, spreadMetric } from "../kernel/index.ts";
import type { FabricSelf, RemoteNode } from "./desired.ts";
import { mainTable, type Row, routeProtocol } from "./row/index.ts";

export interface BackendContext {
  readonly self: FabricSelf;
  readonly paths: ReadonlyMap<Ip, RoutePath>;
  /** Names of links by index. */
  readonly linkNames: ReadonlyMap<number, string>;
}

export type Carried =
  | { readonly kind: "rows"; readonly rows: readonly Row[] }
  | { readonly kind: "unable"; readonly why: string };

export interface Backend {
  readonly name: "direct" | "vxlan";
  /** Rows in the order in which they must be put; rows shared by many prefixes may repeat. */
  carry(remote: RemoteNode, prefix: Cidr, context: BackendContext): Carried;
}

/** The route to a block of another node; with a metric of its own, as there are so many: see spreadMetric. */
export function blockRoute(
  to: Cidr,
  hop: {
    readonly via: Ip;
    readonly link: string;
    readonly onlink?: boolean;
    readonly source?: Ip | undefined;
  },
): Row {
  const { via, link, onlink = false, source } = hop;
  const metric = spreadMetric(to);
  const base = { to, type: "unicast", via, link, protocol: routeProtocol, table: mainTable } as const;
  const route = {
    ...base,
    ...(metric === undefined ? {} : { metric }),
    ...(onlink ? { onlink } : {}),
    ...(source === undefined ? {} : { source }),
  };
  return { kind: "route", route };
}

export function firstOf(family: Family, underlay: readonly Ip[]): Ip | undefined {
  return underlay.find((ip) => familyOf(ip) === family);
}

export function unable(why: string): Carried {
  return { kind: "unable", why };
}
