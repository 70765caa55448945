/**
 * Docker believes a network's subnets to be what it asked for, and shows them. So a Docker network on a fabric
 * network that exists must be given that network's pools: `docker network inspect` would show another block.
 *
 * RequestPool cannot answer an existing network's pool for "any": Docker takes an automatic block only if no
 * route of the host overlaps it, asks again if one does, and each pool of the fabric has its route on every node.
 */
import { type Cidr, cidrFamily } from "../../../addr/index.ts";
import type { PlannedNetwork } from "./fabric-plan.ts";

/** Undefined when the block is a pool of the network; else why not, with the words that are right. */
export function subnetProblem({ name, pools }: PlannedNetwork, cidr: Cidr | undefined): string | undefined {
  if (cidr !== undefined && pools.some((pool) => pool.cidr === cidr)) return undefined;
  const words = subnetWords(pools.map((pool) => pool.cidr)).join(" ");
  const what = cidr === undefined ? "its subnets must be named" : `${cidr} is no pool of it`;
  return `network "${name}" exists, and ${what}: docker network create -d heddle --ipam-driver heddle ${words} -o heddle.network=${name} …`;
}

function subnetWords(cidrs: readonly Cidr[]): readonly string[] {
  const subnets = cidrs.map((cidr) => `--subnet ${cidr}`);
  return cidrs.some((cidr) => cidrFamily(cidr) === 6) ? ["--ipv6", ...subnets] : subnets;
}
