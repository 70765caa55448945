/** The links that carry the node's underlay addresses. */
import type { Address, Link } from "../../kernel/index.ts";
import type { FabricSelf } from "../desired.ts";

/** Until the address is there: Ethernet's. */
const assumedMtu = 1500;

export interface Tables {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
}

export function underlayLinks(self: FabricSelf, { links, addresses }: Tables): Link[] {
  const indexes = new Set(
    addresses.filter(({ ip }) => self.underlay.includes(ip)).map(({ linkIndex }) => linkIndex),
  );
  return links.filter((link) => indexes.has(link.index));
}

/** The smallest of them, as each may be taken. */
export function underlayMtu(self: FabricSelf, tables: Tables): number {
  const mtus = underlayLinks(self, tables).map((link) => link.mtu);
  return mtus.length === 0 ? assumedMtu : Math.min(...mtus);
}
