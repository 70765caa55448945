/**
 * Where the clients of a subnet are: on the node that holds their addresses, if that is one, and in the zone of
 * the nodes that do, if they all are in one. Made anew when the fabric's view is; an answer costs two binary steps
 * and a look at what overlaps, at worst at every prefix of the fabric once.
 */
import { addressCount, type Cidr, cidrFamily, cidrFirst, hostCidr, ipToBigInt } from "../../addr/index.ts";
import type { Standpoint } from "../../dns/index.ts";
import type { FabricView } from "../node/fabric-view.ts";

interface Held {
  readonly first: bigint;
  readonly last: bigint;
  readonly node: string;
  readonly zone: string;
  /** The highest `last` from the start of the table to here: prefixes may lie in one another. */
  reach: bigint;
}

export class Standpoints {
  readonly #view: () => FabricView;
  #made: { readonly of: FabricView; readonly tables: Readonly<Record<4 | 6, readonly Held[]>> } | undefined;

  constructor(view: () => FabricView) {
    this.#view = view;
  }

  whereIs(subnet: Cidr): Standpoint | undefined {
    const view = this.#view();
    if (this.#made?.of !== view)
      this.#made = { of: view, tables: { 4: tableOf(view, 4), 6: tableOf(view, 6) } };
    const table = this.#made.tables[cidrFamily(subnet)];
    const { first, last } = rangeOf(subnet);
    let node: string | undefined;
    let zone: string | undefined;
    let [nodes, zones] = [0, 0];
    for (let at = countUpTo(table, last) - 1; at >= 0; at--) {
      const held = table[at];
      if (!held || held.reach < first || (nodes > 1 && zones > 1)) break;
      if (held.last < first) continue;
      if (held.node !== node) [node, nodes] = [held.node, nodes + 1];
      if (held.zone !== zone) [zone, zones] = [held.zone, zones + 1];
    }
    if (zones !== 1 || zone === undefined) return undefined;
    return nodes === 1 && node !== undefined ? { node, zone } : { zone };
  }
}

function tableOf({ nodes, prefixes }: FabricView, family: 4 | 6): Held[] {
  const table: Held[] = [];
  for (const { name, fabric } of nodes.values()) {
    if (!fabric) continue;
    const cidrs = [...fabric.underlay.map(hostCidr), ...(prefixes.get(name) ?? []).map(({ cidr }) => cidr)];
    for (const cidr of cidrs)
      if (cidrFamily(cidr) === family)
        table.push({ ...rangeOf(cidr), node: name, zone: fabric.zone, reach: 0n });
  }
  table.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  let reach = -1n;
  for (const held of table) held.reach = reach = held.last > reach ? held.last : reach;
  return table;
}

function rangeOf(cidr: Cidr): { readonly first: bigint; readonly last: bigint } {
  const first = ipToBigInt(cidrFirst(cidr));
  return { first, last: first + addressCount(cidr) - 1n };
}

/** How many begin at or before the number. */
function countUpTo(table: readonly Held[], number: bigint): number {
  let [low, high] = [0, table.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((table[middle]?.first ?? 0n) <= number) low = middle + 1;
    else high = middle;
  }
  return low;
}
