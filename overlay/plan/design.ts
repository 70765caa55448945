/**
 * The rows a node should carry: its endpoints' rows, the unreachable aggregate of each pool (what has no
 * more exact route must not leak to the default route), the gateway address on loopback for the DNS
 * listener, and the way to each remote block by the first backend that can.
 *
 * Pure and independent of order: remotes are taken by name, and where two ask for one row the first keeps it
 * and the other is a problem, so that two reconciliations never fight. Endpoints come before remotes.
 */
import { cidrFamily } from "../../addr/index.ts";
import type { Backend, BackendContext } from "../backend.ts";
import type { BackendChoice, NodeDesired, RemoteNode, RemotePrefix } from "../desired.ts";
import { direct } from "../direct/index.ts";
import { type AttachedEndpoint, hostRows } from "../endpoint/index.ts";
import { gatewayRow, underlayLinks } from "../host/index.ts";
import type { NodeObserved } from "../observed/index.ts";
import type { Problem } from "../problem.ts";
import {
  isHostEnd,
  isOurs,
  mainTable,
  metricOf,
  poolMetric,
  type Row,
  type RowTable,
  routeProtocol,
  rowKey,
  rowText,
  vxlanDevice,
} from "../row/index.ts";
import { deviceAddresses, vxlan } from "../vxlan/index.ts";
import { loopbackRoutes } from "./loopback-routes.ts";

export interface Design {
  readonly rows: RowTable;
  /** Endpoints whose host end stands. */
  readonly endpoints: readonly AttachedEndpoint[];
  readonly usesVxlan: boolean;
  readonly problems: readonly Problem[];
}

/** In the order of preference. */
const backendsOf: Readonly<Record<BackendChoice, readonly Backend[]>> = {
  auto: [direct, vxlan],
  direct: [direct],
  vxlan: [vxlan],
};

export function designNode(desired: NodeDesired, observed: Omit<NodeObserved, "sysctls">): Design {
  const rows = new Map<string, Row>();
  const problems: Problem[] = [];
  const put = (what: string, row: Row) => {
    const key = rowKey(row);
    const other = rows.get(key);
    if (isOvertaken(row, observed)) problems.push(conflict(what, row));
    else if (other === undefined) rows.set(key, row);
    else if (rowText(other) !== rowText(row)) problems.push(conflict(what, row, other));
  };

  if (desired.self.underlay.length > 0 && underlayLinks(desired.self, observed).length === 0) {
    problems.push(underlayMissing(desired));
  }
  const standing = new Set(observed.links.filter(isHostEnd).map((link) => link.name));
  const endpoints = desired.endpoints.filter((endpoint) => standing.has(endpoint.hostIfname));
  for (const endpoint of desired.endpoints) {
    if (!standing.has(endpoint.hostIfname)) problems.push(endpointLost(endpoint));
    else for (const row of hostRows(endpoint)) put(`endpoint ${endpoint.hostIfname}`, row);
  }
  for (const row of loopbackRoutes(desired.published ?? [], endpoints)) put("published ports", row);
  put("gateway", gatewayRow);
  for (const network of desired.networks) {
    for (const row of poolRows(network.pools)) put(`network ${network.name}`, row);
  }
  const usesVxlan = designRemotes(desired, observed, put, problems);
  return { rows, endpoints, usesVxlan, problems };
}

/** True when somebody else's route to the same destination stands in the place of ours or before it. */
function isOvertaken(row: Row, { foreign }: Pick<NodeObserved, "foreign">): boolean {
  if (row.kind !== "route") return false;
  const metric = foreign.get(row.route.to);
  return metric !== undefined && metric <= metricOf(row.route);
}

function poolRows(pools: NodeDesired["networks"][number]["pools"]): Row[] {
  const base = {
    type: "unreachable",
    metric: poolMetric,
    protocol: routeProtocol,
    table: mainTable,
  } as const;
  return pools.map((to) => ({ kind: "route", route: { ...base, to } }));
}

/** Answers whether a remote is reached by the VXLAN device. */
function designRemotes(
  desired: NodeDesired,
  observed: Omit<NodeObserved, "sysctls">,
  put: (what: string, row: Row) => void,
  problems: Problem[],
): boolean {
  const choices = new Map(desired.networks.map((network) => [network.name, network.backend]));
  const linkNames = new Map(observed.links.map((link) => [link.index, link.name]));
  const context: BackendContext = { self: desired.self, paths: observed.paths, linkNames };
  const deviceIsForeign = observed.links.some((link) => link.name === vxlanDevice && !isOurs(link));
  let usesVxlan = false;
  for (const remote of desired.remotes.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const refused = new Map<string, Problem>();
    for (const prefix of remote.prefixes) {
      const choice = choices.get(prefix.network);
      if (choice === undefined) continue;
      const carried = carryBy(backendsOf[choice], remote, prefix, context);
      if (Array.isArray(carried)) {
        refused.set(`${prefix.network} ${cidrFamily(prefix.cidr)}`, unreachable(remote, prefix, carried));
        continue;
      }
      usesVxlan ||= carried.backend === "vxlan";
      if (carried.backend === "vxlan" && deviceIsForeign) continue;
      for (const row of carried.rows) put(`node ${remote.name}`, row);
    }
    problems.push(...refused.values());
  }
  if (usesVxlan && deviceIsForeign) problems.push(foreignDevice());
  else if (usesVxlan) for (const row of deviceAddresses(desired.self)) put("VXLAN device", row);
  return usesVxlan;
}

/** The rows of the first backend that can, or why each could not. */
function carryBy(
  backends: readonly Backend[],
  remote: RemoteNode,
  prefix: RemotePrefix,
  context: BackendContext,
): { backend: Backend["name"]; rows: readonly Row[] } | string[] {
  const reasons: string[] = [];
  for (const backend of backends) {
    const carried = backend.carry(remote, prefix.cidr, context);
    if (carried.kind === "rows") return { backend: backend.name, rows: carried.rows };
    reasons.push(`${backend.name}: ${carried.why}`);
  }
  return reasons;
}

/** One problem per remote, network and family, however many blocks. */
function unreachable(remote: RemoteNode, prefix: RemotePrefix, reasons: readonly string[]): Problem {
  return {
    what: `node ${remote.name}`,
    code: "OVERLAY_REMOTE_UNREACHABLE",
    message: `route ${prefix.cidr} of network ${prefix.network} to node ${remote.name}: ${reasons.join("; ")}; change the network's backend or the node's underlay addresses`,
  };
}

/** Without `other`, the row in the way is not ours. */
function conflict(what: string, row: Row, other?: Row): Problem {
  const inTheWay = other ? `"${rowText(other)}" of this fabric` : "a route that is not Heddle's";
  return {
    what,
    code: "OVERLAY_ROW_CONFLICT",
    message: `program "${rowText(row)}" for ${what}: ${inTheWay} is in its place; remove one of the two`,
  };
}

function underlayMissing({ self }: NodeDesired): Problem {
  return {
    what: `node ${self.name}`,
    code: "OVERLAY_UNDERLAY_MISSING",
    message: `find the underlay of node ${self.name}: no link has ${self.underlay.join(" or ")}; correct the node's underlay addresses`,
  };
}

function endpointLost(endpoint: AttachedEndpoint): Problem {
  const { hostIfname, containerId, ifname } = endpoint;
  return {
    what: `endpoint ${hostIfname}`,
    code: "OVERLAY_ENDPOINT_LOST",
    message: `program ${ifname} of container ${containerId}: link ${hostIfname} is gone; detach the endpoint or restart the container`,
  };
}

function foreignDevice(): Problem {
  return {
    what: `link ${vxlanDevice}`,
    code: "OVERLAY_NAME_TAKEN",
    message: `make VXLAN device ${vxlanDevice}: a link of that name exists and is not Heddle's; rename or delete it`,
  };
}
