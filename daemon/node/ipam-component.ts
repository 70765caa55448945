/**
 * The node's addresses, as `heddle status` shows them. What this node holds is compared with what the servers
 * know of it: a claim that is missing there can be given to another node at any time. That happens when the
 * servers' store was put back to an older copy, and by nothing else but for the moment until a claim is seen.
 */
import { type Cidr, cidrContains } from "../../addr/index.ts";
import type { ComponentStatus } from "../../api/index.ts";
import type { NodeIpam } from "../../ipam/index.ts";

export type IpamFacts = Pick<NodeIpam, "epoch" | "fenceStatus" | "leases" | "status">;

/** `claimed`: this node's prefixes by the fabric view; undefined while there is none that is up to date. */
export function ipamComponent(ipam: IpamFacts, claimed: readonly Cidr[] | undefined): ComponentStatus {
  const pools = ipam.status();
  const leases = ipam.leases();
  const fence = ipam.fenceStatus();
  const lost = claimed ? unclaimed(pools, leases, claimed) : [];
  const used = `${leases.length} addresses in use`;
  const details = { epoch: ipam.epoch(), pools, ...(lost.length > 0 && { unclaimed: lost }) };
  if (fence.kind === "fenced")
    return { name: "ipam", state: "degraded", summary: `no new addresses (${fence.why}), ${used}`, details };
  if (lost.length === 0) return { name: "ipam", state: "ok", summary: used, details };
  const summary = `the servers do not know that this node has ${lost.join(", ")}; if this lasts, their store was put back to an older copy: run \`heddle node forget\` for this node`;
  return { name: "ipam", state: "degraded", summary, details };
}

function unclaimed(
  pools: ReturnType<NodeIpam["status"]>,
  leases: ReturnType<NodeIpam["leases"]>,
  claimed: readonly Cidr[],
): readonly string[] {
  const blocks = pools.flatMap((pool) => pool.blocks).filter((block) => !claimed.includes(block));
  const byName = leases.filter(
    ({ ip }) => ![...claimed, ...blocks].some((prefix) => cidrContains(prefix, ip)),
  );
  return [...blocks, ...byName.map(({ ip }) => ip)];
}
