/** The size of packet that the underlay carries: the smallest of the links that have the node's underlay addresses. */
import type { Ip } from "../addr/index.ts";
import type { Kernel } from "../kernel/index.ts";

/** Ethernet's, while no link has the addresses. */
const assumedMtu = 1500;

export async function underlayMtu(kernel: Kernel, underlay: readonly Ip[]): Promise<number> {
  const [addresses, links] = await Promise.all([kernel.addresses(), kernel.links()]);
  const indexes = new Set(
    addresses.filter(({ ip }) => underlay.includes(ip)).map(({ linkIndex }) => linkIndex),
  );
  const mtus = links.filter(({ index }) => indexes.has(index)).map(({ mtu }) => mtu);
  return mtus.length === 0 ? assumedMtu : Math.min(...mtus);
}
