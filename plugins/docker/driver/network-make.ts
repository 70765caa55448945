/**
 * CreateNetwork: which fabric network a Docker network is, in this order: the one that `heddle.network` names
 * (`-o` or `--ipam-opt`), else the one whose pools Docker's subnets are, else a new one called after the Docker
 * network's id. Where there is none of that name it is made, with Docker's subnets as its pools.
 */
import { type Cidr, cidrFromIp, hostCidr, type Ip, parseIpWithPrefix } from "../../../addr/index.ts";
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { DockerAddresses, FabricPlan, PlannedNetwork } from "./fabric-plan.ts";
import type { DockerJournal } from "./journal.ts";
import type { IpamData, NetworkMessage } from "./messages.ts";
import { type NetworkOptions, networkOptions } from "./network-options.ts";
import { addressSpace } from "./pool-driver.ts";
import type { DockerPool } from "./records.ts";
import { subnetProblem } from "./subnets.ts";

interface Parts {
  readonly journal: DockerJournal;
  readonly plan: FabricPlan;
  readonly addresses: Pick<DockerAddresses, "assertCanAllocate">;
  readonly clock: Clock;
}

const madePrefix = "docker-";

/** Of a fabric network that was made for a Docker network and has no other use. */
export function isMadeName(name: string): boolean {
  return /^docker-[0-9a-f]{12}$/.test(name);
}

/** Idempotent. */
export async function makeNetwork(parts: Parts, message: NetworkMessage<"CreateNetwork">): Promise<void> {
  const { journal, plan, addresses, clock } = parts;
  const { NetworkID: id } = message;
  const options = networkOptions(message.Options);
  const pools = [...message.IPv4Data, ...message.IPv6Data].map((data) => poolOf(journal, id, data));
  if (pools.length === 0) throw invalid(id, "it has no subnet; create it with --ipam-driver heddle");
  const name = nameOf(id, options, pools);
  const existing = plan.network(name);
  if (existing) requireSuits(id, existing, options, pools);
  else await plan.create(specOf(name, options, pools));
  // A block of one's own keeps the network from being removed with the Docker network that it was made for.
  if (existing && isMadeName(name)) await addresses.assertCanAllocate(name);
  const reserved = existing ? auxiliary(message) : [];
  await journal.networks.put({
    id,
    network: name,
    internal: (existing ?? options).policy === "internal",
    ...(options.mtu !== undefined && { mtu: options.mtu }),
    reserved,
    createdAtMs: clock.wallMs(),
  });
  for (const pool of pools) await journal.pools.put({ ...pool, network: name, takenBy: id });
  await journal.retired.delete(name);
}

/** Docker names the pool by its block only. */
function poolOf(journal: DockerJournal, id: string, data: IpamData): DockerPool {
  const { ip, prefix } = parseIpWithPrefix(data.Pool);
  const cidr = cidrFromIp(ip, prefix);
  const found =
    data.AddressSpace === addressSpace
      ? journal.pools
          .list()
          .filter((pool) => pool.cidr === cidr && (pool.takenBy === undefined || pool.takenBy === id))
          .toSorted((a, b) => b.createdAtMs - a.createdAtMs)[0]
      : undefined;
  if (found) return found;
  throw invalid(
    id,
    `its subnet ${cidr} is not of Heddle's IPAM driver, so its addresses would not be unique in the fabric; add --ipam-driver heddle`,
  );
}

function nameOf(id: string, options: NetworkOptions, pools: readonly DockerPool[]): string {
  const named = new Set(
    [options.network, ...pools.flatMap(({ wanted, network }) => [wanted, network])].filter(
      (name) => name !== undefined,
    ),
  );
  const [name = `${madePrefix}${id.slice(0, 12)}`, other] = named;
  if (other !== undefined)
    throw invalid(id, `its options and subnets name two networks, "${name}" and "${other}"`);
  return name;
}

function requireSuits(
  id: string,
  network: PlannedNetwork,
  options: NetworkOptions,
  pools: readonly DockerPool[],
): void {
  for (const { cidr } of pools) {
    const problem = subnetProblem(network, cidr);
    if (problem !== undefined) throw invalid(id, problem);
  }
  for (const key of ["backend", "masquerade", "policy"] as const) {
    const asked = options[key];
    if (asked !== undefined && asked !== network[key])
      throw invalid(
        id,
        `network "${network.name}" exists with ${key} ${network[key]}, not ${asked}; leave the option out, or make a network of another name`,
      );
  }
}

function specOf(name: string, options: NetworkOptions, pools: readonly DockerPool[]) {
  const { backend, mtu, masquerade, policy } = options;
  return {
    name,
    pools: pools.map(({ cidr, gateway, reserved }) => ({
      cidr,
      ...(gateway !== undefined && { gateway }),
      ...(reserved.length > 0 && { exclude: reserved.map(hostCidr) }),
    })),
    ...(backend && { backend }),
    ...(mtu !== undefined && { mtu }),
    masquerade: masquerade ?? policy !== "internal",
    ...(policy && { policy }),
  };
}

function auxiliary({ IPv4Data, IPv6Data }: NetworkMessage<"CreateNetwork">): readonly Ip[] {
  return [...IPv4Data, ...IPv6Data].flatMap(({ AuxAddresses }) =>
    Object.values(AuxAddresses).map((text) => parseIpWithPrefix(text as Cidr).ip),
  );
}

function invalid(id: string, why: string): FabricError {
  return new FabricError("DOCKER_NETWORK_INVALID", `create the Docker network ${id.slice(0, 12)}: ${why}`, {
    details: { network: id },
  });
}
