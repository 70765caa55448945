/**
 * One node: the lives of its agent, and what outlives them: the disk, the kernel, the containers and the workloads. What an
 * agent answered must be there in its next life: leases (unless its term was over meanwhile) and registrations.
 */
import type { Ip } from "../../../addr/index.ts";
import type { AttachRequest } from "../../../plugins/index.ts";
import type { AgentDelta } from "../../../registry/index.ts";
import type { ServerAt } from "./agent-channel.ts";
import { type AgentProcess, identityOf, serviceName, startAgentProcess } from "./agent-process.ts";
import { Disk } from "./disk.ts";
import { Host } from "./host.ts";
import type { Machine } from "./life.ts";
import { Violation } from "./violation.ts";
import { definitionOf, Workloads } from "./workloads.ts";
import type { World } from "./world.ts";

export interface Container {
  readonly id: string;
  readonly ips: readonly Ip[];
}

const servicesMax = 4;
const detachRetryMs = 2000;

export class AgentNode {
  readonly machine: Machine;
  readonly disk: Disk;
  readonly host: Host;
  readonly workloads: Workloads;
  /** Those whose ADD was answered and whose DEL was not called. */
  readonly containers = new Set<Container>();
  readonly #world: World;
  readonly #serverAt: ServerAt;
  /** Epoch of each lease that was answered and not given back since. */
  readonly #leased = new Map<Ip, { readonly id: string; readonly epoch: number; readonly boot: number }>();
  /** Registered and answered; undefined while what was asked last is not answered. */
  readonly #answered = new Map<string, boolean | undefined>();
  /** Number of the last request for each service: requests overtake each other's answers. */
  readonly #asked = new Map<string, number>();
  #process: AgentProcess | undefined;
  /** When the last renewal that was confirmed to any of its lives was asked for. */
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  #ids = 0;
  allocated = 0;
  registered = 0;
  /** Somebody vouched that the machine is off, and it stays so meanwhile. */
  isHeldOff = false;

  constructor(world: World, machine: Machine, serverAt: ServerAt) {
    const { scheduler, random, bug } = world;
    this.#world = world;
    this.#serverAt = serverAt;
    this.machine = machine;
    this.disk = new Disk({ scheduler, random, skipsSync: bug === "no fsync" });
    this.host = new Host(world, machine, identityOf(machine).underlay);
    this.workloads = new Workloads(world, machine);
  }

  get name(): string {
    return this.machine.name;
  }

  /** The agent that runs, once it has read its disk. */
  get process(): AgentProcess | undefined {
    return this.machine.isUp ? this.#process : undefined;
  }

  async start(): Promise<void> {
    if (this.machine.isUp || this.isHeldOff) return;
    const life = this.machine.begin();
    this.#process = undefined;
    const { disk, host, workloads } = this;
    const process = await startAgentProcess({
      world: this.#world,
      life,
      disk,
      host,
      workloads,
      serverAt: this.#serverAt,
      onTerm: (sentAtMs) => {
        const agoMs = life.clock.monotonicMs() - sentAtMs;
        this.#renewedAtMs = Math.max(this.#renewedAtMs, this.machine.clock.monotonicMs() - agoMs);
        this.#forgetVoid(process);
      },
    });
    if (!life.isAlive) return;
    this.#checkNothingLost(process);
    this.#process = process;
    this.#watchStatuses(process);
  }

  /** The agent dies; its containers and their kernel state stay. */
  crash(): void {
    this.machine.end();
  }

  /** As its service manager stops it. */
  async stop(): Promise<void> {
    const { process } = this;
    const { life } = this.machine;
    this.#process = undefined;
    await process?.stop();
    life?.end();
  }

  /** The machine's containers are gone, what was synced is not. */
  powerOff(): void {
    this.machine.powerOff();
    this.containers.clear();
  }

  /** Another disk in the same machine. */
  loseDisk(): void {
    this.powerOff();
    this.disk.lose();
    this.#leased.clear();
    this.#answered.clear();
  }

  /** A runtime's ADD; one that was not answered well is followed by DEL. */
  async attach(network: string, address?: Ip): Promise<void> {
    const { life } = this.machine;
    const { process } = this;
    if (!life || !process) return;
    const id = `${this.name}-${this.#ids++}`;
    const netns = netnsOf(id);
    this.host.addNetns(netns);
    const request: AttachRequest = {
      containerId: id,
      ifname: "eth0",
      network,
      origin: { plugin: "cni", name: network },
      form: { kind: "interface", netns },
      addresses: address === undefined ? [] : [address],
    };
    try {
      const { addresses } = await process.dataplane.endpoints.attach(request);
      if (!life.isAlive) return;
      const ips = addresses.map(({ ip }) => ip);
      const epoch = process.dataplane.ipam.epoch() ?? 0;
      for (const ip of ips) this.#leased.set(ip, { id, epoch, boot: this.machine.boot });
      this.containers.add({ id, ips });
      this.allocated++;
    } catch (error) {
      if (life.isAlive) this.#world.start(this.#detach(id));
      throw error;
    }
  }

  async release(): Promise<void> {
    const [container] = this.containers;
    if (!container || !this.process) return;
    this.containers.delete(container);
    for (const ip of container.ips) this.#leased.delete(ip);
    await this.#detach(container.id);
  }

  async register(): Promise<void> {
    const { process } = this;
    if (!process) return;
    const { random } = this.#world;
    const id = `${serviceName}-${random.below(servicesMax)}`;
    const definition = definitionOf(id, random.between(1, 60_000), random);
    await this.#ask(id, true, () =>
      process.registrations.backend.registerService(definition, { replaceChecks: true }),
    );
    this.registered++;
  }

  async deregister(): Promise<void> {
    const { process } = this;
    const [service] = process?.registrations.state.services() ?? [];
    if (!process || !service) return;
    await this.#ask(service.id, false, () => process.registrations.backend.deregisterService(service.id));
  }

  async #ask(id: string, registers: boolean, act: () => Promise<void>): Promise<void> {
    const number = (this.#asked.get(id) ?? 0) + 1;
    this.#asked.set(id, number);
    this.#answered.set(id, undefined);
    await act();
    if (this.#asked.get(id) === number) this.#answered.set(id, registers);
  }

  /** Whether other nodes reach the container under its addresses. Nobody speaks for a dead agent once its term is over. */
  isOnFabric({ id, ips }: Container): boolean {
    const { process, machine } = this;
    if (!process || machine.isFrozen) return this.#isInTerm();
    const { ipam } = process.dataplane;
    return (
      ipam.fenceStatus().kind === "open" && ips.every((ip) => ipam.leaseAt(ip)?.owner.containerId === id)
    );
  }

  /** May give out addresses, and others may send to those it gave. */
  get isMember(): boolean {
    const { process, machine } = this;
    if (process && !machine.isFrozen) return process.dataplane.ipam.fenceStatus().kind === "open";
    return this.#isInTerm();
  }

  #isInTerm(): boolean {
    const { reclaimAfterMs, marginMs } = this.#world.pace;
    return this.machine.nowMs - this.#renewedAtMs < reclaimAfterMs - marginMs;
  }

  /** Until it is answered, in whichever life. */
  async #detach(id: string): Promise<void> {
    const { process } = this;
    const { life } = this.machine;
    if (!process || !life) return;
    try {
      await process.dataplane.endpoints.detach({ containerId: id, ifname: "eth0" });
      if (life.isAlive) this.host.removeNetns(netnsOf(id));
    } catch {
      await life.clock.sleep(detachRetryMs);
      if (life.isAlive) await this.#detach(id);
    }
  }

  /** A node in a new term has given up what it held in the old one. */
  #forgetVoid({ dataplane }: AgentProcess): void {
    const epoch = dataplane.ipam.epoch() ?? 0;
    for (const [ip, lease] of this.#leased) if (lease.epoch !== epoch) this.#leased.delete(ip);
    for (const container of this.containers)
      if (container.ips.some((ip) => dataplane.ipam.leaseAt(ip)?.owner.containerId !== container.id))
        this.containers.delete(container);
  }

  #checkNothingLost({ dataplane, registrations }: AgentProcess): void {
    const { ipam } = dataplane;
    const epoch = ipam.epoch() ?? 0;
    for (const [ip, lease] of this.#leased) {
      // What the machine had before it lost power is given back once the agent has looked around.
      if (lease.epoch !== epoch || lease.boot !== this.machine.boot) this.#leased.delete(ip);
      if (lease.epoch !== epoch) continue;
      if (ipam.leaseAt(ip)?.owner.containerId !== lease.id)
        throw new Violation(
          `the restart of ${this.name} lost the lease of ${ip} that it had answered in epoch ${lease.epoch}; its journal is in epoch ${epoch}`,
        );
    }
    for (const [id, isRegistered] of this.#answered) {
      const isThere = registrations.state.service(id) !== undefined;
      if (isRegistered === undefined || isRegistered === isThere) continue;
      const was = isRegistered ? "registration" : "deregistration";
      throw new Violation(`the restart of ${this.name} lost the ${was} of ${id} that it had answered`);
    }
  }

  #watchStatuses({ registrations: { state } }: AgentProcess): void {
    const said = new Map(state.checks().map(({ record }) => [record.id, record.status]));
    state.onChange(({ sync, stopped }: AgentDelta) => {
      for (const id of stopped) said.delete(id);
      for (const { id, serviceId, status } of sync.checks) {
        const before = said.get(id);
        said.set(id, status);
        if (before === undefined || before === status) continue;
        const against = this.workloads.against(serviceId, status);
        if (against !== undefined) this.#world.broken(`${serviceId} of ${this.name}: ${against}`);
      }
      for (const id of sync.removedServices ?? []) this.#checkRemoval(id);
    });
  }

  /** Asked for, or ill for long enough. */
  #checkRemoval(id: string): void {
    if (this.#answered.get(id) !== true) return;
    if (this.workloads.isLongIll(id)) this.#answered.set(id, undefined);
    else this.#world.broken(`${this.name} took ${id} away, which nobody asked for`);
  }
}

function netnsOf(id: string): string {
  return `/run/netns/${id}`;
}
