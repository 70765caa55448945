/**
 * A node without a machine: endpoints over the in-memory kernel and store, and addresses counted up from one
 * pool. What is under test is the order of steps and what a crash between two of them leaves.
 */
import { cidrNth, type Ip, parseCidr, parseIp } from "../../addr/index.ts";
import { type Clock, systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { MemoryKernel } from "../../kernel/index.ts";
import { Reconciler } from "../../overlay/index.ts";
import {
  type AddressSource,
  type EndpointLimits,
  type EndpointLinks,
  type EndpointRef,
  EndpointService,
  type Lease,
  type NetworkView,
} from "../../plugins/index.ts";
import { MemoryStore, type Store } from "../../store/index.ts";

export const rigPool = parseCidr("10.1.0.0/29");
export const rigNetns = "/run/netns/c1";

/** Addresses .1 to .6 of the pool, the lowest free first, back at once after release. */
export class CountingAddresses implements AddressSource {
  readonly #held = new Map<string, Lease>();

  async allocate({
    network,
    owner,
    addresses = [],
  }: Parameters<AddressSource["allocate"]>[0]): Promise<Lease[]> {
    const held = this.#held.get(key(owner));
    if (held) return [held];
    this.assertCanAllocate(network);
    const taken = new Set(Iterator.from(this.#held.values()).map(({ ip }) => ip));
    const [wanted] = addresses;
    if (wanted && taken.has(wanted))
      throw new FabricError("IPAM_ADDRESS_IN_USE", `allocate ${wanted}: it is in use`);
    const ip = wanted ?? usable.find((each) => !taken.has(each)) ?? parseIp("0.0.0.0");
    const lease = { network, ip, pool: rigPool };
    this.#held.set(key(owner), lease);
    return [lease];
  }

  async release(_network: string | undefined, owner: EndpointRef): Promise<Lease[]> {
    const lease = this.#held.get(key(owner));
    this.#held.delete(key(owner));
    return lease ? [lease] : [];
  }

  leasesOf(owner: EndpointRef): Lease[] {
    return [this.#held.get(key(owner)) ?? []].flat();
  }

  leaseAt(ip: Ip): Lease | undefined {
    return Iterator.from(this.#held.values()).find((lease) => lease.ip === ip);
  }

  assertCanAllocate(network: string): void {
    if (network !== "default" && network !== "web")
      throw new FabricError("IPAM_NETWORK_NOT_FOUND", `use network ${network}: there is none of that name`);
    if (this.#held.size >= usable.length)
      throw new FabricError("IPAM_POOL_EXHAUSTED", `pool ${rigPool} is full: 6 of 6 in use`);
  }

  get size(): number {
    return this.#held.size;
  }
}

export interface EndpointRig {
  readonly kernel: MemoryKernel;
  readonly store: Store;
  readonly addresses: CountingAddresses;
  readonly reconciler: Reconciler;
  readonly endpoints: EndpointService;
  readonly networks: { network(name: string): NetworkView | undefined };
}

export interface RigParts {
  readonly clock?: Clock;
  readonly limits?: Partial<EndpointLimits>;
  /** The parts of an earlier rig: the same node after a restart. */
  readonly node?: Pick<EndpointRig, "kernel" | "store" | "addresses">;
  /** Puts itself between the service and what it uses. */
  readonly wrap?: (parts: { addresses: AddressSource; links: EndpointLinks; store: Store }) => {
    addresses: AddressSource;
    links: EndpointLinks;
    store: Store;
  };
}

export async function endpointRig({
  clock = systemClock,
  limits = {},
  node,
  wrap,
}: RigParts = {}): Promise<EndpointRig> {
  const kernel = node?.kernel ?? new MemoryKernel();
  if (!node) kernel.addNetns(rigNetns);
  const store = node?.store ?? new MemoryStore();
  const addresses = node?.addresses ?? new CountingAddresses();
  const journal = { load: async () => undefined, save: async () => undefined };
  const reconciler = new Reconciler({ kernel, journal, clock });
  const plain = { addresses, links: reconciler, store };
  const endpoints = await EndpointService.open({
    ...(wrap?.(plain) ?? plain),
    clock,
    mtu: () => 1450,
    limits,
  });
  const networks = {
    network: (name: string) =>
      name === "default" || name === "web" ? { pools: [{ cidr: rigPool }] } : undefined,
  };
  return { kernel, store, addresses, reconciler, endpoints, networks };
}

/** Everything that an endpoint leaves: links but loopback, leases, journal entries. */
export async function traces({ kernel, addresses, store, reconciler }: EndpointRig): Promise<string[]> {
  await reconciler.stop();
  const links = (await kernel.links()).filter(({ name }) => name !== "lo").map(({ name }) => `link ${name}`);
  const routes = (await kernel.routes({ protocol: 72 })).map(({ to }) => `route ${to}`);
  const entries = (await store.range("endpoint/")).items.map(({ key: name }) => `entry ${name}`);
  return [...links, ...routes, ...entries, ...(addresses.size > 0 ? [`${addresses.size} leases`] : [])];
}

const usable: readonly Ip[] = [1, 2, 3, 4, 5, 6].map((n) => cidrNth(rigPool, n));

function key({ containerId, ifname }: EndpointRef): string {
  return `${containerId}/${ifname}`;
}
