/**
 * Takes a container's interface away, in two steps, as they cost so differently. `withdrawEndpoint` deletes
 * the host routes (well below 1 ms): from then on nothing reaches the addresses and, as the anti-spoofing
 * rule asks for a route back, nothing with these sources leaves the container. Deleting the link waits
 * for an RCU grace period under the kernel's one RTNL lock (about 18 ms), so a caller may leave it to `LinkReaper`.
 *
 * Both work when the namespace, the link or the routes are gone, and never touch a link without our mark.
 */
import { hostCidr } from "../../addr/index.ts";
import { applyAll, type Kernel, type KernelOperation } from "../../kernel/index.ts";
import { isHostEnd, mainTable, routeProtocol } from "../row/index.ts";
import type { DetachTarget } from "./spec.ts";

/**
 * Makes the addresses unreachable. Answers the index of the link that is left to delete, if there is one.
 * Only routes over this link go: the address may be another endpoint's by now.
 */
export async function withdrawEndpoint(kernel: Kernel, target: DetachTarget): Promise<number | undefined> {
  const link = await kernel.link(target.hostIfname);
  if (!link || !isHostEnd(link)) return undefined;
  const withdrawn = target.addresses.map((ip): KernelOperation => {
    const row = { to: hostCidr(ip), type: "unicast", protocol: routeProtocol, table: mainTable } as const;
    return { op: "route.delete", route: { ...row, link: link.index } };
  });
  await applyAll(kernel, withdrawn);
  return link.index;
}

/** Withdraws the addresses and deletes the pair. */
export async function detachEndpoint(kernel: Kernel, target: DetachTarget): Promise<void> {
  const index = await withdrawEndpoint(kernel, target);
  if (index !== undefined) await applyAll(kernel, [{ op: "link.delete", link: index }]);
}
