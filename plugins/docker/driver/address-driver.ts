/**
 * The addresses of Docker's IpamDriver, over the node's allocator: those of the fabric network that the pool belongs
 * to, so that Docker, CNI and the command line share one allocator. An address of a pool that is none of a network
 * yet (`--gateway`, `--aux-address`) is noted for the network that CreateNetwork makes of it.
 */
import {
  type Cidr,
  cidrContains,
  cidrFamily,
  cidrNth,
  cidrPrefix,
  familyOf,
  hostCidr,
  type Ip,
  parseIp,
} from "../../../addr/index.ts";
import { FabricError, isFabricError } from "../../../errors/index.ts";
import { gatewayOf, isGateway } from "../../../overlay/index.ts";
import type { DockerAddresses, FabricPlan, OwnedLease } from "./fabric-plan.ts";
import type { DockerJournal } from "./journal.ts";
import type { AddressMessage } from "./messages.ts";
import { drawnOwner, isDockerOwner, namedOwner } from "./owners.ts";
import { candidateCount } from "./pool-draw.ts";
import { gatewayKey, poolInvalid } from "./pool-driver.ts";
import type { DockerEndpoint, DockerPool } from "./records.ts";

const addressTypeKey = "RequestAddressType";
/** Addresses of an `--ip-range` that are tried for one container. */
const rangeTriesMax = 32;

export interface AddressDriverOptions {
  readonly journal: DockerJournal;
  readonly plan: FabricPlan;
  readonly addresses: DockerAddresses;
  readonly random: (size: number) => Uint8Array;
  /** True when the endpoint's interface is gone; then it is removed, and its addresses are free. */
  readonly buryIfDead: (endpoint: DockerEndpoint) => Promise<boolean>;
}

export class AddressDriver {
  readonly #options: AddressDriverOptions;
  /** Requests for one address that are not released yet, where there are more than one. */
  readonly #holds = new Map<Ip, number>();

  constructor(options: AddressDriverOptions) {
    this.#options = options;
  }

  /** @throws DOCKER_POOL_NOT_FOUND, DOCKER_GATEWAY_INVALID, and what `ipam` throws */
  async requestAddress(message: AddressMessage<"RequestAddress">): Promise<object> {
    const pool = this.#pool(message.PoolID);
    const ip = message.Address === "" ? undefined : parseIp(message.Address);
    if (message.Options[addressTypeKey] === gatewayKey) return answer(await this.#gateway(pool, ip));
    if (pool.network === undefined) return answer(await this.#reserve(pool, ip));
    if (ip !== undefined && pool.takenBy === undefined && this.#isSetAside(pool, ip)) return answer(ip);
    return answer(
      ip === undefined ? await this.#any(pool, pool.network) : await this.#named(pool.network, ip),
    );
  }

  /**
   * An address whose endpoint stands is kept: Docker releases it although removing the endpoint failed, and the
   * collector finds out whether Docker still knows the endpoint.
   */
  async releaseAddress({ PoolID, Address }: AddressMessage<"ReleaseAddress">): Promise<object> {
    const { journal, addresses } = this.#options;
    const ip = parseIp(Address);
    const pool = journal.pools.get(PoolID);
    if (pool?.reserved.includes(ip) || pool?.gateway === ip) await this.#unreserve(pool, ip);
    const lease = addresses.leaseAt(ip);
    if (!lease || !isDockerOwner(lease.owner)) return {};
    const holds = this.#holds.get(ip) ?? 1;
    if (holds > 1) {
      this.#holds.set(ip, holds - 1);
      return {};
    }
    const endpoint = journal.endpointOf(ip);
    if (endpoint) await journal.endpoints.put({ ...endpoint, isForsaken: true });
    else await this.free(lease);
    return {};
  }

  /** Nothing in the kernel has the address any more. */
  async free({ ip, network, owner }: OwnedLease): Promise<void> {
    this.#holds.delete(ip);
    await this.#options.addresses.release(network, owner);
  }

  #pool(id: string): DockerPool {
    const pool = this.#options.journal.pools.get(id);
    if (pool) return pool;
    throw new FabricError(
      "DOCKER_POOL_NOT_FOUND",
      `use the pool ${JSON.stringify(id)} of Docker: this node does not know it, its data may have been removed; remove the Docker network and create it again`,
      { details: { pool: id } },
    );
  }

  /** A container's gateway is link-local; one of the pool is only kept free. */
  async #gateway(pool: DockerPool, ip: Ip | undefined): Promise<Ip> {
    if (ip === undefined || isGateway(ip)) return gatewayOf(cidrFamily(pool.cidr));
    requireInside(pool, ip);
    if (pool.network === undefined) {
      await this.#options.journal.pools.put({ ...pool, gateway: ip });
      return ip;
    }
    if (this.#isSetAside(pool, ip)) return ip;
    throw new FabricError(
      "DOCKER_GATEWAY_INVALID",
      `use ${ip} as gateway of network "${pool.network}": the network exists and may give the address to a container; leave --gateway out, containers have ${gatewayOf(familyOf(ip))}`,
      { details: { network: pool.network, ip } },
    );
  }

  /** Gateway or excluded part of the fabric network: no container has it anywhere. */
  #isSetAside(pool: DockerPool, ip: Ip): boolean {
    const record = this.#options.plan
      .network(pool.network ?? "")
      ?.pools.find(({ cidr }) => cidrContains(cidr, ip));
    return record?.gateway === ip || record?.exclude?.some((range) => cidrContains(range, ip)) === true;
  }

  /** `--aux-address` of a network that is to be made. */
  async #reserve(pool: DockerPool, ip: Ip | undefined): Promise<Ip> {
    if (ip === undefined)
      throw new FabricError(
        "DOCKER_NETWORK_NOT_FOUND",
        `take an address of ${pool.cidr}: it is no pool of a network; create the Docker network with --driver heddle, or the network with heddle network create`,
      );
    requireInside(pool, ip);
    if (!pool.reserved.includes(ip))
      await this.#options.journal.pools.put({ ...pool, reserved: [...pool.reserved, ip] });
    return ip;
  }

  async #unreserve(pool: DockerPool, ip: Ip): Promise<void> {
    const { gateway, ...rest } = pool;
    const reserved = pool.reserved.filter((each) => each !== ip);
    await this.#options.journal.pools.put({
      ...rest,
      reserved,
      ...(gateway !== undefined && gateway !== ip && { gateway }),
    });
  }

  async #any(pool: DockerPool, network: string): Promise<Ip> {
    const { addresses, plan, random } = this.#options;
    const { range } = pool;
    const record = plan.network(network)?.pools.find(({ cidr }) => cidr === pool.cidr);
    if (range && record && cidrPrefix(range) > record.blockPrefix) return this.#byName(range, network);
    const request = { network, owner: drawnOwner(random), families: [cidrFamily(pool.cidr)] };
    return only(await addresses.allocate(range ? { ...request, within: range } : request));
  }

  /** One after the other, from a range that is smaller than a block: other nodes may have a part of that block. */
  async #byName(range: Cidr, network: string): Promise<Ip> {
    const { addresses, plan } = this.#options;
    let tries = 0;
    for (let at = 0; at < candidateCount(range) && tries < rangeTriesMax; at++) {
      const ip = cidrNth(range, at);
      if (addresses.leaseAt(ip) || plan.isClaimed(ip)) continue;
      tries++;
      try {
        const family = familyOf(ip);
        const owner = drawnOwner(this.#options.random);
        return only(await addresses.allocate({ network, owner, addresses: [ip], families: [family] }));
      } catch (error) {
        if (!isFabricError(error, "IPAM_ADDRESS_IN_USE") && !isFabricError(error, "IPAM_ADDRESS_RESERVED"))
          throw error;
      }
    }
    throw new FabricError(
      "IPAM_POOL_EXHAUSTED",
      `take an address of range ${range} in network "${network}": none is free; stop containers, or create the Docker network with a larger --ip-range`,
      { details: { network, range } },
    );
  }

  async #named(network: string, ip: Ip): Promise<Ip> {
    const { addresses, journal, buryIfDead } = this.#options;
    const endpoint = journal.endpointOf(ip);
    if (endpoint) await buryIfDead(endpoint);
    const lease = addresses.leaseAt(ip);
    if (lease && isDockerOwner(lease.owner) && !journal.endpointOf(ip)) {
      // Asked for again before an endpoint has it: a retry, or swarm's leader and worker on one node.
      this.#holds.set(ip, (this.#holds.get(ip) ?? 1) + 1);
      return ip;
    }
    if (lease)
      throw new FabricError(
        "IPAM_ADDRESS_IN_USE",
        `take address ${ip} of network "${network}": a container of this node has it; ask for another`,
        { details: { network, ip } },
      );
    const owner = namedOwner(ip);
    return only(await addresses.allocate({ network, owner, addresses: [ip], families: [familyOf(ip)] }));
  }
}

function answer(ip: Ip): object {
  return { Address: hostCidr(ip), Data: {} };
}

function only([lease]: readonly OwnedLease[]): Ip {
  if (lease) return lease.ip;
  throw new FabricError("IPAM_UNAVAILABLE", "take an address: the allocator answered none; try again");
}

function requireInside(pool: DockerPool, ip: Ip): void {
  if (!cidrContains(pool.cidr, ip) || (familyOf(ip) === 4 && cidrPrefix(pool.cidr) === 0))
    throw poolInvalid(pool.cidr, `${ip} is not in it`);
}
