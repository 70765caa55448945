/**
 * One node's addresses: the real `NodeIpam` over a disk that loses what was not synced, its containers, and the
 * joining and renewing that an agent does. A container outlives the agent, not the machine. `onFabric` is whether
 * anything outside of the node reaches it under its address.
 */
import type { Ip } from "../../../addr/index.ts";
import { isFabricError } from "../../../errors/index.ts";
import {
  type AddressLease,
  type BlockSource,
  type NetworkRecord,
  NodeIpam,
  type PoolAuthority,
} from "../../../ipam/index.ts";
import { marginMs, reclaimAfterMs } from "./address-server.ts";
import { Disk } from "./disk.ts";
import type { Life, Machine } from "./life.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

export interface Container {
  readonly id: string;
  readonly node: string;
  readonly leases: readonly AddressLease[];
  onFabric: boolean;
}

export interface AddressNodeOptions {
  readonly world: World;
  readonly machine: Machine;
  readonly networks: ReadonlyMap<string, NetworkRecord>;
  /** The authority of a server's process. */
  readonly authorityAt: (server: Life) => Promise<PoolAuthority>;
}

const renewEveryMs = 20_000;

export class AddressNode {
  readonly machine: Machine;
  readonly disk: Disk;
  readonly containers = new Set<Container>();
  readonly #options: AddressNodeOptions;
  readonly #world: World;
  #ipam: NodeIpam | undefined;
  /** Answered and not given back since: what a restart must find, unless the term is another. */
  readonly #answered = new Map<Ip, AddressLease>();
  /** When the last renewal that was confirmed to any of its lives was sent. */
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  #isRenewing = false;
  #ids = 0;
  allocated = 0;
  /** Somebody vouched that the machine is off, and it stays so meanwhile. */
  isHeldOff = false;

  constructor(options: AddressNodeOptions) {
    this.#options = options;
    this.#world = options.world;
    this.machine = options.machine;
    const { scheduler, random, bug } = options.world;
    this.disk = new Disk({ scheduler, random, skipsSync: bug === "no fsync" });
  }

  /** The allocator of the life that runs, once it has read its journal. */
  get ipam(): NodeIpam | undefined {
    return this.machine.isUp ? this.#ipam : undefined;
  }

  async start(): Promise<void> {
    if (this.machine.isUp || this.isHeldOff) return;
    const life = this.machine.begin();
    this.#ipam = undefined;
    this.#isRenewing = false;
    const { clock } = this.machine;
    const ipam = await NodeIpam.open({
      journal: await this.disk.journal(life),
      source: this.#source(life),
      clock: life.clock,
      bootClock: {
        now: () => ({
          bootId: String(this.machine.boot),
          steadyMs: clock.monotonicMs(),
          uptimeMs: clock.monotonicMs(),
        }),
      },
      marginMs: this.#world.bug === "no fence" ? -100 * reclaimAfterMs : marginMs,
      onFenced: () => life.isAlive && this.#takeOff(),
    });
    if (!life.isAlive) return;
    this.#checkNothingLost(ipam);
    this.#ipam = ipam;
    this.#removeUnleased(ipam);
    if (ipam.fenceStatus().kind === "fenced") this.#takeOff();
    this.#renewAlways(life);
  }

  /** The agent dies; its containers and their kernel state stay. */
  crash(): void {
    this.machine.end();
    this.#ipam?.stop();
  }

  /** The machine's containers are gone, what was synced is not. */
  powerOff(): void {
    this.crash();
    this.machine.boot++;
    this.containers.clear();
  }

  async allocate(network: string, address?: Ip): Promise<void> {
    const { life } = this.machine;
    const ipam = this.ipam;
    if (!life || !ipam) return;
    const id = `${this.machine.name}-${this.#ids++}`;
    const leases = await ipam.allocate({
      network,
      owner: { containerId: id, ifname: "eth0" },
      ...(address === undefined ? {} : { addresses: [address] }),
    });
    if (!life.isAlive) return;
    this.allocated++;
    for (const lease of leases) this.#answered.set(lease.ip, lease);
    this.containers.add({ id, node: this.machine.name, leases, onFabric: true });
  }

  async release(): Promise<void> {
    const ipam = this.ipam;
    const [container] = this.containers;
    if (!container || !ipam) return;
    this.containers.delete(container);
    for (const { ip } of container.leases) this.#answered.delete(ip);
    await ipam.release(undefined, { containerId: container.id, ifname: "eth0" });
  }

  /** What an agent does every so often, one at a time. */
  async renew(): Promise<void> {
    const { life } = this.machine;
    const ipam = this.ipam;
    if (!life || !ipam || this.#isRenewing) return;
    this.#isRenewing = true;
    try {
      await this.#renewOrJoin(life, ipam);
    } finally {
      if (life.isAlive) this.#isRenewing = false;
    }
  }

  /** Without an agent nobody speaks for the node's containers once its term is over. */
  timePassed(): void {
    const sinceMs = this.machine.clock.monotonicMs() - this.#renewedAtMs;
    if (!this.machine.isUp && sinceMs >= reclaimAfterMs - marginMs) this.#takeOff();
  }

  #renewAlways(life: Life): void {
    this.#world.start(this.renew());
    life.clock.setTimer(renewEveryMs, () => this.#renewAlways(life));
  }

  async #renewOrJoin(life: Life, ipam: NodeIpam): Promise<void> {
    const epoch = ipam.epoch();
    const { clock } = this.machine;
    if (epoch !== undefined) {
      try {
        const sent = { onLife: life.clock.monotonicMs(), onMachine: clock.monotonicMs() };
        const term = await this.#ask(life, "renew", (authority) =>
          authority.renewNode(this.machine.name, epoch),
        );
        await ipam.renewed(sent.onLife, term.epoch, term.reclaimAfterMs);
        if (life.isAlive) this.#putBack(ipam, sent.onMachine);
        return;
      } catch (error) {
        if (!isFabricError(error, "IPAM_STALE_EPOCH")) throw error;
        if (life.isAlive) this.#takeOff();
      }
    }
    const sent = { onLife: life.clock.monotonicMs(), onMachine: clock.monotonicMs() };
    const term = await this.#ask(life, "join", (authority) => authority.joinNode(this.machine.name, epoch));
    const gone = await ipam.joined(sent.onLife, term);
    if (!life.isAlive) return;
    for (const { ip, owner } of gone) {
      this.#answered.delete(ip);
      for (const container of this.containers)
        if (container.id === owner.containerId) this.containers.delete(container);
    }
    this.#putBack(ipam, sent.onMachine);
    if (epoch !== undefined && term.epoch !== epoch) {
      await this.#ask(life, "relinquish", (authority) => authority.relinquish(this.machine.name, epoch));
    }
  }

  /** The node's term stands: what it holds a lease for is on the fabric. */
  #putBack(ipam: NodeIpam, sentAtMs: number): void {
    this.#renewedAtMs = Math.max(this.#renewedAtMs, sentAtMs);
    if (ipam.fenceStatus().kind !== "open") return;
    for (const container of this.containers)
      if (container.leases.every(({ ip }) => ipam.leaseAt(ip)?.owner.containerId === container.id))
        container.onFabric = true;
  }

  #takeOff(): void {
    for (const container of this.containers) container.onFabric = false;
  }

  /** It may have died between a new epoch and the removal of the old endpoints. */
  #removeUnleased(ipam: NodeIpam): void {
    for (const container of this.containers)
      if (!container.leases.every(({ ip }) => ipam.leaseAt(ip)?.owner.containerId === container.id))
        this.containers.delete(container);
  }

  #checkNothingLost(ipam: NodeIpam): void {
    const epoch = ipam.epoch() ?? 0;
    for (const [ip, lease] of this.#answered) {
      if (lease.epoch < epoch) this.#answered.delete(ip);
      else if (ipam.leaseAt(ip)?.owner.containerId !== lease.owner.containerId)
        throw new Violation(
          `the restart of ${this.machine.name} lost the lease of ${ip} that it had answered in epoch ${lease.epoch}; its journal is in epoch ${epoch}`,
        );
    }
  }

  #ask<T>(life: Life, label: string, act: (authority: PoolAuthority) => Promise<T>): Promise<T> {
    const { network, random, servers } = this.#world;
    return network.call(life, random.pick(servers), label, async (at) =>
      act(await this.#options.authorityAt(at)),
    );
  }

  #source(life: Life): BlockSource {
    const { networks } = this.#options;
    const ask = <T>(label: string, act: (source: BlockSource) => Promise<T>) => {
      const epoch = this.#ipam?.epoch() ?? 0;
      return this.#ask(life, label, (authority) =>
        act(authority.asBlockSource(this.machine.name, () => epoch, networks)),
      );
    };
    return {
      network: (name) => networks.get(name),
      claimBlock: (request) => ask("claim block", (source) => source.claimBlock(request)),
      releaseBlock: (claim) => ask("release block", (source) => source.releaseBlock(claim)),
      claimStatic: (request) => ask("claim static", (source) => source.claimStatic(request)),
      releaseStatic: (claim) => ask("release static", (source) => source.releaseStatic(claim)),
    };
  }
}
