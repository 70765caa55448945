/**
 * The difference between what a node should carry and what it carries, as operations in an order that never
 * opens a hole: settings, devices, then per row kind what others lean on first (address, neighbour, FDB,
 * route), and removal the other way round (route first). Applying a plan and planning again gives nothing.
 */
import type { KernelOperation, Link } from "../../kernel/index.ts";
import type { NodeDesired } from "../desired.ts";
import { planSysctls, underlayMtu } from "../host/index.ts";
import type { NodeObserved } from "../observed/index.ts";
import {
  isHostEnd,
  type Row,
  type RowTable,
  rowLink,
  rowOperation,
  sameRow,
  vxlanDevice,
} from "../row/index.ts";
import { deviceSpec, planDevice } from "../vxlan/index.ts";
import { type Design, designNode } from "./design.ts";
import { withIndexes } from "./link-index.ts";

/** Names of host ends that the plan leaves alone with all of their rows: attachments under way. */
export type Spared = ReadonlySet<string>;

const putOrder: Readonly<Record<Row["kind"], number>> = { address: 0, neighbour: 1, fdb: 2, route: 3 };

export function planNode(
  desired: NodeDesired,
  observed: NodeObserved,
  spared: Spared = new Set(),
): readonly KernelOperation[] {
  return planDesign(designNode(desired, observed), desired, observed, spared);
}

export function planDesign(
  design: Design,
  desired: NodeDesired,
  observed: NodeObserved,
  spared: Spared,
): readonly KernelOperation[] {
  const mtu = underlayMtu(desired.self, observed);
  const wanted = design.usesVxlan ? deviceSpec(desired.self, mtu) : undefined;
  const current = observed.links.find((link) => link.name === vxlanDevice);
  const device = planDevice(wanted, current);
  const rowsGo = device.kind === "plan" && !device.rowsSurvive;
  const dropped = new Set(rowsGo ? [...spared, vxlanDevice] : spared);
  const orphans = orphanLinks(desired, observed, spared);
  const { puts, deletes } = diffRows(design.rows, observed.rows, dropped, spared);
  const deviceOperations = device.kind === "plan" ? device.operations : [];
  const operations = [
    ...planSysctls(desired, observed),
    ...(wanted ? deviceOperations : []),
    ...endpointLinks(design, observed, spared),
    ...puts,
    ...deletes,
    ...(wanted ? [] : deviceOperations),
    ...orphans.map((link): KernelOperation => ({ op: "link.delete", link: link.index })),
  ];
  const known = observed.links.filter((link) => !(rowsGo && link.name === vxlanDevice));
  return withIndexes(operations, new Map(known.map((link) => [link.name, link.index])));
}

/** Host ends that no endpoint claims. */
export function orphanLinks(
  desired: Pick<NodeDesired, "endpoints">,
  observed: Pick<NodeObserved, "links">,
  spared: Spared,
): Link[] {
  const claimed = new Set(desired.endpoints.map((endpoint) => endpoint.hostIfname));
  return observed.links.filter(
    (link) => isHostEnd(link) && !claimed.has(link.name) && !spared.has(link.name),
  );
}

/** Observed rows on a link in `dropped` count as gone already, desired ones on a link in `spared` as there. */
function diffRows(
  desired: RowTable,
  observed: RowTable,
  dropped: ReadonlySet<string>,
  spared: Spared,
): { puts: KernelOperation[]; deletes: KernelOperation[] } {
  const on = (row: Row, links: ReadonlySet<string>) => links.size > 0 && links.has(rowLink(row) ?? "");
  const puts: Row[] = [];
  const deletes: Row[] = [];
  let wanted = 0;
  for (const [key, row] of desired) {
    const there = observed.get(key);
    if (there !== undefined) wanted++;
    const stands = there !== undefined && !on(there, dropped) && sameRow(there, row);
    if (!stands && !on(row, spared)) puts.push(row);
  }
  if (wanted < observed.size)
    for (const [key, row] of observed) if (!desired.has(key) && !on(row, dropped)) deletes.push(row);
  const order = (a: Row, b: Row) => putOrder[a.kind] - putOrder[b.kind];
  return {
    puts: puts.sort(order).map((row) => rowOperation("put", row)),
    deletes: deletes.sort((a, b) => order(b, a)).map((row) => rowOperation("delete", row)),
  };
}

/** The host ends' own state, on which the containers' permanent neighbours rely. */
function endpointLinks(design: Design, observed: NodeObserved, spared: Spared): KernelOperation[] {
  const links = new Map(observed.links.map((link) => [link.name, link]));
  return design.endpoints.flatMap(({ hostIfname, hostMac: mac, mtu }): KernelOperation[] => {
    const link = links.get(hostIfname);
    if (!link || spared.has(hostIfname)) return [];
    if (link.up && link.mac === mac && link.mtu === mtu) return [];
    return [{ op: "link.change", link: link.index, change: { mac, mtu, up: true } }];
  });
}
