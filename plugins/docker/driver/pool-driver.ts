/**
 * The pools of Docker's IpamDriver: a pool is Docker's name for a block.
 *
 * RequestPool never changes the fabric: a network that does not exist yet is made by CreateNetwork, which alone
 * knows its id, its options and both families.
 */
import {
  type Cidr,
  cidrContainsCidr,
  cidrFamily,
  cidrFromIp,
  cidrOverlaps,
  type Family,
  hostCidr,
  parseIpWithPrefix,
} from "../../../addr/index.ts";
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import { gatewayOf } from "../../../overlay/index.ts";
import type { FabricPlan } from "./fabric-plan.ts";
import type { DockerJournal } from "./journal.ts";
import type { AddressMessage } from "./messages.ts";
import { networkOption } from "./network-options.ts";
import { drawPool } from "./pool-draw.ts";
import { subnetProblem } from "./subnets.ts";

/** Docker checks the overlap of pools in its local space only; it has no other for us. */
export const addressSpace = "heddle";
export const gatewayKey = "com.docker.network.gateway";

export interface PoolDriverOptions {
  readonly journal: DockerJournal;
  readonly plan: FabricPlan;
  readonly clock: Clock;
  readonly random: (size: number) => Uint8Array;
}

export class PoolDriver {
  readonly #options: PoolDriverOptions;

  constructor(options: PoolDriverOptions) {
    this.#options = options;
  }

  /** @throws DOCKER_POOL_INVALID, DOCKER_LIMIT */
  async requestPool(message: AddressMessage<"RequestPool">): Promise<object> {
    const { journal, plan, clock, random } = this.#options;
    if (message.AddressSpace !== addressSpace)
      throw poolInvalid(
        message.Pool,
        `the address space is ${JSON.stringify(message.AddressSpace)}, not "${addressSpace}"`,
      );
    const family: Family = message.V6 ? 6 : 4;
    const wanted = message.Options[networkOption];
    const asked = message.Pool === "" ? undefined : blockIn(message.Pool);
    const named = wanted === undefined ? undefined : plan.network(wanted);
    const problem = named && subnetProblem(named, asked);
    if (problem !== undefined) throw poolInvalid(message.Pool, problem);
    const cidr = asked ?? this.#draw(family);
    if (cidrFamily(cidr) !== family) throw poolInvalid(message.Pool, `it is not IPv${family}`);
    const range = message.SubPool === "" ? undefined : blockIn(message.SubPool);
    if (range && !cidrContainsCidr(cidr, range))
      throw poolInvalid(message.Pool, `the range ${range} is not in it`);
    const network = this.#networkOf(cidr);
    if (wanted !== undefined && network !== undefined && wanted !== network)
      throw poolInvalid(message.Pool, `it belongs to network "${network}", not "${wanted}"`);
    const id = `${cidr}#${Buffer.from(random(6)).toString("hex")}`;
    await journal.pools.put({
      id,
      cidr,
      ...(range && range !== cidr && { range }),
      ...(wanted !== undefined && { wanted }),
      ...(network !== undefined && { network }),
      reserved: [],
      createdAtMs: clock.wallMs(),
    });
    return { PoolID: id, Pool: cidr, Data: { [gatewayKey]: hostCidr(gatewayOf(family)) } };
  }

  /** The pool of a network that still stands goes with the network. */
  async releasePool({ PoolID }: AddressMessage<"ReleasePool">): Promise<object> {
    const { journal } = this.#options;
    const pool = journal.pools.get(PoolID);
    if (pool && (pool.takenBy === undefined || !journal.networks.get(pool.takenBy)))
      await journal.pools.delete(PoolID);
    return {};
  }

  #draw(family: Family): Cidr {
    const { journal, plan, random } = this.#options;
    const taken = [
      ...plan.networks().flatMap(({ pools }) => pools.map(({ cidr }) => cidr)),
      ...journal.pools.list().map(({ cidr }) => cidr),
    ];
    const drawn = drawPool(family, taken, random);
    if (drawn) return drawn;
    throw poolInvalid("", `no IPv${family} block is free for it; choose one with --subnet`);
  }

  /** The fabric network that the block is a pool of. @throws DOCKER_POOL_INVALID when it is in the way of one */
  #networkOf(cidr: Cidr): string | undefined {
    for (const { name, pools } of this.#options.plan.networks()) {
      if (pools.some((pool) => pool.cidr === cidr)) return name;
      const clash = pools.find((pool) => cidrOverlaps(pool.cidr, cidr));
      if (clash)
        throw poolInvalid(cidr, `it overlaps ${clash.cidr} of network "${name}"; use that block, or another`);
    }
    return undefined;
  }
}

/** Docker passes what the user wrote, which may have bits set beyond the prefix. */
function blockIn(text: string): Cidr {
  try {
    const { ip, prefix } = parseIpWithPrefix(text);
    return cidrFromIp(ip, prefix);
  } catch (cause) {
    throw poolInvalid(text, cause instanceof Error ? cause.message : "it is no block", cause);
  }
}

export function poolInvalid(pool: string, why: string, cause?: unknown): FabricError {
  return new FabricError(
    "DOCKER_POOL_INVALID",
    `request the pool ${JSON.stringify(pool)} for Docker: ${why}`,
    {
      cause,
      details: { pool },
    },
  );
}
