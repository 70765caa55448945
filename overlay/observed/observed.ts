/**
 * What the kernel carries now, as far as the plan asks: our routes, the rows of our links, and the node's
 * ways to the others. One dump a table and no call per remote node but for its path, which is cached while
 * the routes and addresses of others stay as they are.
 */
import type { Cidr, Ip } from "../../addr/index.ts";
import type { Address, Kernel, Link, Route, RoutePath } from "../../kernel/index.ts";
import type { NodeDesired } from "../desired.ts";
import {
  gateway4,
  isGateway,
  isHostEnd,
  isOurs,
  mainTable,
  metricOf,
  type Row,
  type RowTable,
  routeProtocol,
  rowKey,
  scopeUniverse,
  vxlanDevice,
} from "../row/index.ts";
import { type Dumps, rowsOf } from "./observed-rows.ts";
import type { PathCache } from "./path-cache.ts";

export interface NodeObserved {
  readonly links: readonly Link[];
  /** Of every link, to find those of the underlay. */
  readonly addresses: readonly Address[];
  /** The rows that are ours: see ownership.ts. */
  readonly rows: RowTable;
  /** Destinations that somebody else has a route to, with the lowest metric of theirs. */
  readonly foreign: ReadonlyMap<Cidr, number>;
  /** By destination; a destination without any way is absent. */
  readonly paths: ReadonlyMap<Ip, RoutePath>;
  /** By path joined with "/"; what this kernel does not have is absent. */
  readonly sysctls: ReadonlyMap<string, string>;
}

/** All of it but the sysctls, which cost a file each and seldom change: see `observeSysctls`. */
export async function observe(
  kernel: Kernel,
  desired: Pick<NodeDesired, "remotes">,
  cache: PathCache,
): Promise<Omit<NodeObserved, "sysctls">> {
  const [links, addresses, routes, neighbours] = await Promise.all([
    kernel.links(),
    kernel.addresses(),
    kernel.routes({ table: mainTable }),
    kernel.neighbours(),
  ]);
  const device = links.find((link) => link.name === vxlanDevice && isOurs(link));
  const fdb = device ? await kernel.fdb(device.index) : [];
  const paths = await cache.paths(kernel, desired, foreignState(links, addresses, routes));
  return { links, addresses, ...sortOut({ links, addresses, routes, neighbours, fdb }), paths };
}

/** Tells our rows from those of others. */
function sortOut(dumps: Dumps): Pick<NodeObserved, "rows" | "foreign"> {
  const ours = new Set(
    dumps.links.filter((link) => isHostEnd(link) || isDevice(link)).map(({ name }) => name),
  );
  const rows = new Map<string, Row>();
  const foreign = new Map<Cidr, number>();
  for (const row of rowsOf(dumps)) {
    if (isOurRow(row, ours)) rows.set(rowKey(row), row);
    else if (row.kind === "route") {
      const { to } = row.route;
      foreign.set(to, Math.min(metricOf(row.route), foreign.get(to) ?? Number.POSITIVE_INFINITY));
    }
  }
  return { rows, foreign };
}

function isDevice(link: Link): boolean {
  return link.name === vxlanDevice && isOurs(link);
}

function isOurRow(row: Row, ours: ReadonlySet<string>): boolean {
  switch (row.kind) {
    case "address":
      if (row.link === "lo") return row.ip === gateway4;
      return ours.has(row.link) && (isGateway(row.ip) || isOfDevice(row));
    case "neighbour":
      return row.neighbour.permanent && ours.has(row.neighbour.link);
    case "fdb":
      return ours.has(row.entry.link);
    case "route":
      return row.route.protocol === routeProtocol && row.route.table === mainTable;
    default:
      return row satisfies never;
  }
}

/** The VXLAN device has the node's own addresses; the link-local one of IPv6 is the kernel's. */
function isOfDevice({ link, scope }: Extract<Row, { readonly kind: "address" }>): boolean {
  return link === vxlanDevice && scope === scopeUniverse;
}

/** A text that changes when a path to another node may have changed for a reason that is not ours. */
function foreignState(
  links: readonly Link[],
  addresses: readonly Address[],
  routes: readonly Route[],
): string {
  const ours = new Set(links.filter(isOurs).map((link) => link.index));
  return JSON.stringify([
    links.filter((link) => !isOurs(link)).map(({ index, up }) => [index, up]),
    addresses.filter((address) => !ours.has(address.linkIndex)),
    routes.filter((route) => route.protocol !== routeProtocol),
  ]);
}
