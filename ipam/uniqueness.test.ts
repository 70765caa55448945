/**
 * The promise of the address plan, under a seeded scheduler: whatever crashes, restarts, is cut off, comes
 * back late or is forgotten, no two live containers hold the same address. Clocks of the nodes run up to 4 %
 * faster or slower than the server's; every store transaction and every journal write is a point at which
 * anything else may happen first.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Ip } from "../addr/index.ts";
import { type Clock, ManualClock } from "../clock/index.ts";
import { isFabricError } from "../errors/index.ts";
import { MemoryStore, type Store } from "../store/index.ts";
import {
  type BlockSource,
  type LeaseJournal,
  type NetworkRecord,
  NodeIpam,
  PoolAuthority,
  storeLeaseJournal,
} from "./index.ts";

const reclaimAfterMs = 100_000;
const marginMs = 10_000;
const nodeCount = 3;
const never = new Promise<never>(() => undefined);

interface Container {
  readonly node: string;
  readonly id: string;
  readonly ips: readonly Ip[];
  readonly epoch: number;
  /** Off: it lives on, but nothing outside of its node reaches it under this address. */
  onFabric: boolean;
}

/** One life of an agent: when it dies, nothing that it was about to do happens. */
interface Life {
  alive: boolean;
  isRenewing: boolean;
  readonly ipam: Promise<NodeIpam>;
  /** Begins at 0 with the life, as process clocks do. */
  readonly clock: Clock;
}

class Machine {
  readonly name: string;
  readonly rate: number;
  readonly disk: Store;
  readonly hardware = new ManualClock();
  bootId = 0;
  life: Life | undefined;
  isCutOff = false;
  losesAnswers = false;
  /** When the last renewal that was confirmed to any of its lives was sent. */
  renewedAtMs = Number.NEGATIVE_INFINITY;

  constructor(name: string, rate: number) {
    this.name = name;
    this.rate = rate;
    this.disk = new MemoryStore({ clock: this.hardware });
  }
}

class World {
  readonly serverClock = new ManualClock();
  readonly store: Store;
  readonly machines: readonly Machine[];
  readonly containers = new Set<Container>();
  readonly views = new Map<string, NetworkRecord>();
  readonly #scheduler: fc.Scheduler;
  authority: PoolAuthority;
  #ids = 0;
  allocated = 0;
  /** Broken promises that nobody waits for. */
  readonly failures: unknown[] = [];

  constructor(scheduler: fc.Scheduler, rates: readonly number[]) {
    this.#scheduler = scheduler;
    const store = new MemoryStore({ clock: this.serverClock });
    this.store = {
      id: store.id,
      range: (prefix, options) => this.#point(() => store.range(prefix, options)),
      txn: (txn) => this.#point(() => store.txn(txn)),
      replace: (replacement) => store.replace(replacement),
      watch: (prefix, from, signal) => store.watch(prefix, from, signal),
      grantLease: (ttlMs) => store.grantLease(ttlMs),
      keepAlive: (lease) => store.keepAlive(lease),
      revokeLease: (lease) => store.revokeLease(lease),
      close: () => store.close(),
    };
    this.machines = rates.map((rate, i) => new Machine(`n${i}`, rate));
    this.authority = this.newAuthority();
  }

  newAuthority(): PoolAuthority {
    return new PoolAuthority(this.store, this.serverClock, { reclaimAfterMs });
  }

  async #point<T>(act: () => Promise<T>): Promise<T> {
    await this.#scheduler.schedule(Promise.resolve());
    return act();
  }

  async settle(points: number): Promise<void> {
    for (let i = 0; i < points && this.#scheduler.count() > 0; i++) await this.#scheduler.waitOne();
  }

  /** Runs a request of `life` at a server: it may be cut off before, or its answer be lost. */
  async #call<T>(machine: Machine, life: Life, act: () => Promise<T>): Promise<T> {
    if (machine.isCutOff) throw new Error("unreachable");
    const answer = await act();
    if (!life.alive) return never;
    if (machine.isCutOff || machine.losesAnswers) throw new Error("answer lost");
    return answer;
  }

  #sourceOf(machine: Machine, life: Life): BlockSource {
    const at = async () => {
      const epoch = (await life.ipam).epoch() ?? 0;
      return this.authority.asBlockSource(machine.name, () => epoch, this.views);
    };
    const call = <T>(ask: (source: BlockSource) => Promise<T>) =>
      this.#call(machine, life, async () => ask(await at()));
    return {
      network: (name) => this.views.get(name),
      claimBlock: (request) => call((source) => source.claimBlock(request)),
      releaseBlock: (claim) => call((source) => source.releaseBlock(claim)),
      claimStatic: (request) => call((source) => source.claimStatic(request)),
      releaseStatic: (claim) => call((source) => source.releaseStatic(claim)),
    };
  }

  /** What was not on disk when the agent died is gone; what was may not have been acknowledged. */
  #journalOf(machine: Machine, life: Life): LeaseJournal {
    const journal = storeLeaseJournal(machine.disk, "leases/");
    return {
      load: () => journal.load(),
      commit: async (changes) => {
        await this.#point(async () => (life.alive ? journal.commit(changes) : never));
        await this.#point(async () => (life.alive ? undefined : never));
      },
    };
  }

  async start(machine: Machine): Promise<void> {
    if (machine.life?.alive) return;
    const { hardware } = machine;
    const startedAtMs = hardware.monotonicMs();
    const opened = Promise.withResolvers<NodeIpam>();
    const life: Life = {
      alive: true,
      isRenewing: false,
      ipam: opened.promise,
      clock: {
        monotonicMs: () => hardware.monotonicMs() - startedAtMs,
        wallMs: () => hardware.wallMs(),
        setTimer: (delayMs, callback) => hardware.setTimer(delayMs, () => life.alive && callback()),
        sleep: (delayMs, signal) => hardware.sleep(delayMs, signal),
      },
    };
    machine.life = life;
    const boot = () => ({
      bootId: String(machine.bootId),
      steadyMs: hardware.monotonicMs(),
      uptimeMs: hardware.monotonicMs(),
    });
    const ipam = await NodeIpam.open({
      journal: this.#journalOf(machine, life),
      source: this.#sourceOf(machine, life),
      clock: life.clock,
      bootClock: { now: boot },
      marginMs,
      onFenced: () => life.alive && this.#takeOff(machine),
    });
    if (life.alive) this.#removeUnleased(machine, ipam);
    if (life.alive && ipam.fenceStatus().kind === "fenced") this.#takeOff(machine);
    opened.resolve(ipam);
  }

  /** The agent dies; its containers and their kernel state stay. */
  crash(machine: Machine): void {
    if (machine.life) machine.life.alive = false;
  }

  /** The machine's containers are gone, its disk is not. */
  powerOff(machine: Machine): void {
    this.crash(machine);
    machine.bootId++;
    for (const container of this.#containersOf(machine)) this.containers.delete(container);
  }

  async allocate(machine: Machine, address: Ip | undefined): Promise<void> {
    const { life } = machine;
    if (!life?.alive) return;
    const id = `c${this.#ids++}`;
    const leases = await (await life.ipam).allocate({
      network: "web",
      owner: { containerId: id, ifname: "eth0" },
      ...(address === undefined ? {} : { addresses: [address] }),
    });
    if (!life.alive) return;
    this.allocated++;
    this.containers.add({
      node: machine.name,
      id,
      ips: leases.map((lease) => lease.ip),
      epoch: leases[0]?.epoch ?? 0,
      onFabric: true,
    });
    this.check();
  }

  async release(machine: Machine): Promise<void> {
    const { life } = machine;
    const [container] = this.#containersOf(machine);
    if (!container || !life?.alive) return;
    this.containers.delete(container);
    await (await life.ipam).release(undefined, { containerId: container.id, ifname: "eth0" });
  }

  /** What an agent does about once a minute, one at a time. */
  async renew(machine: Machine): Promise<void> {
    const { life } = machine;
    if (!life?.alive || life.isRenewing) return;
    life.isRenewing = true;
    try {
      await this.#renewOrJoin(machine, life, await life.ipam);
    } finally {
      life.isRenewing = false;
    }
  }

  async #renewOrJoin(machine: Machine, life: Life, ipam: NodeIpam): Promise<void> {
    const epoch = ipam.epoch();
    if (epoch !== undefined) {
      try {
        const sent = { onLife: life.clock.monotonicMs(), onHardware: machine.hardware.monotonicMs() };
        const term = await this.#call(machine, life, () => this.authority.renewNode(machine.name, epoch));
        await ipam.renewed(sent.onLife, term.epoch, term.reclaimAfterMs);
        this.#putBack(machine, life, ipam, sent.onHardware);
        return;
      } catch (error) {
        if (!isFabricError(error, "IPAM_STALE_EPOCH")) throw error;
        if (life.alive) this.#takeOff(machine);
      }
    }
    const sent = { onLife: life.clock.monotonicMs(), onHardware: machine.hardware.monotonicMs() };
    const term = await this.#call(machine, life, () => this.authority.joinNode(machine.name, epoch));
    const gone = await ipam.joined(sent.onLife, term);
    if (!life.alive) return;
    for (const { owner } of gone) {
      for (const container of this.#containersOf(machine)) {
        if (container.id === owner.containerId) this.containers.delete(container);
      }
    }
    this.#putBack(machine, life, ipam, sent.onHardware);
    if (epoch !== undefined && term.epoch !== epoch) {
      await this.#call(machine, life, () => this.authority.relinquish(machine.name, epoch));
    }
  }

  /** The node's term stands: what it holds a lease for is on the fabric. */
  #putBack(machine: Machine, life: Life, ipam: NodeIpam, sentAtMs: number): void {
    if (!life.alive) return;
    machine.renewedAtMs = Math.max(machine.renewedAtMs, sentAtMs);
    const leased = new Set(ipam.leases().map((lease) => lease.ip));
    const isOpen = ipam.fenceStatus().kind === "open";
    for (const container of this.#containersOf(machine)) {
      if (isOpen && container.ips.every((ip) => leased.has(ip))) container.onFabric = true;
    }
    this.check();
  }

  /** What an agent does at its start: it may have died between a new epoch and the removal of the old endpoints. */
  #removeUnleased(machine: Machine, ipam: NodeIpam): void {
    const leased = new Set(ipam.leases().map((lease) => `${lease.owner.containerId} ${lease.ip}`));
    for (const container of this.#containersOf(machine)) {
      if (container.ips.every((ip) => leased.has(`${container.id} ${ip}`))) continue;
      if (container.epoch >= (ipam.epoch() ?? 0))
        expect.fail(`the restart of ${machine.name} lost ${container.ips.join(" and ")}`);
      this.containers.delete(container);
    }
  }

  #takeOff(machine: Machine): void {
    for (const container of this.#containersOf(machine)) container.onFabric = false;
  }

  #containersOf(machine: Machine): Container[] {
    return [...this.containers].filter(({ node }) => node === machine.name);
  }

  async advance(deltaMs: number): Promise<void> {
    await this.serverClock.advance(deltaMs);
    for (const machine of this.machines) {
      await machine.hardware.advance(deltaMs * machine.rate);
      const sinceMs = machine.hardware.monotonicMs() - machine.renewedAtMs;
      if (!machine.life?.alive && sinceMs >= reclaimAfterMs - marginMs) this.#takeOff(machine);
    }
    this.check();
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 20_000) {
      await this.advance(Math.min(20_000, ms - passed));
      const runs = [...this.machines.map((machine) => this.renew(machine)), this.authority.reclaimTick()];
      void Promise.allSettled(runs);
      await this.settle(24);
    }
  }

  /** One machine is cut off for `ms` while life goes on, then everybody wants addresses. */
  async outage(machine: Machine, ms: number): Promise<void> {
    void Promise.allSettled(this.machines.map((one) => this.renew(one)));
    await this.settle(40);
    void this.authority.reclaimTick();
    await this.settle(30);
    machine.isCutOff = true;
    for (let passed = 0; passed < ms; ) {
      const stepMs = passed < 95_000 ? 5_000 : 1_000;
      passed += stepMs;
      await this.advance(stepMs);
      void Promise.allSettled([...this.machines.map((one) => this.renew(one)), this.authority.reclaimTick()]);
      await this.settle(24);
    }
    for (const one of [...this.machines, ...this.machines, ...this.machines]) {
      void this.allocate(one, undefined).catch((error: unknown) => this.#noteFailure(error));
      await this.settle(20);
    }
  }

  #noteFailure(error: unknown): void {
    if (error instanceof Error && error.name === "AssertionError") this.failures.push(error);
  }

  check(): void {
    const holders = new Map<Ip, Container>();
    for (const container of this.containers) {
      for (const ip of container.onFabric ? container.ips : []) {
        const other = holders.get(ip);
        if (other) {
          expect.fail(`${ip} is held by ${container.node}/${container.id} and ${other.node}/${other.id}`);
        }
        holders.set(ip, container);
      }
    }
  }
}

type Op =
  | { readonly kind: "allocate"; readonly node: number; readonly address: number | undefined }
  | {
      readonly kind: "release" | "renew" | "crash" | "start" | "power off" | "idle" | "surrender" | "tick";
      readonly node: number;
    }
  | { readonly kind: "cut off" | "lose answers"; readonly node: number; readonly on: boolean }
  | { readonly kind: "forget"; readonly node: number; readonly force: boolean }
  | { readonly kind: "reclaim" }
  | { readonly kind: "new server" }
  | { readonly kind: "restart"; readonly node: number }
  | { readonly kind: "outage"; readonly node: number; readonly ms: number }
  | { readonly kind: "advance"; readonly ms: number }
  /** Time passes as it does: agents renew, the server looks for terms that are over. */
  | { readonly kind: "pass"; readonly ms: number };

const node = fc.nat(nodeCount - 1);
const onOff = fc.boolean();
const constant = <K extends Op["kind"]>(...kinds: K[]) => fc.constantFrom(...kinds);
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: constant("allocate"), node, address: fc.constant(undefined) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: constant("allocate"), node, address: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: constant("release", "renew"), node }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: constant("restart", "restart", "crash", "start", "start", "power off"),
      node,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: constant("idle", "surrender", "tick"), node }) },
  { weight: 2, arbitrary: fc.record({ kind: constant("cut off", "lose answers"), node, on: onOff }) },
  { weight: 1, arbitrary: fc.record({ kind: constant("forget"), node, force: onOff }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: constant("outage"),
      node,
      ms: fc.constantFrom(90_000, 101_000, 102_000, 105_000, 150_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: constant("reclaim", "new server") }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: constant("pass"),
      ms: fc.constantFrom(31_000, 50_000, 110_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: constant("advance"),
      ms: fc.constantFrom(1_000, 5_000, 5_000, 31_000, 85_000, 90_500, 96_000, 100_100),
    }),
  },
);

async function perform(world: World, action: Op): Promise<void> {
  if (action.kind === "reclaim") return void (await world.authority.reclaimTick());
  if (action.kind === "new server") {
    world.authority = world.newAuthority();
    return;
  }
  if (action.kind === "advance") return world.advance(action.ms);
  if (action.kind === "pass") return world.pass(action.ms);
  const machine = world.machines[action.node];
  if (!machine) return;
  const ipam = machine.life?.alive ? await machine.life.ipam : undefined;
  switch (action.kind) {
    case "allocate":
      return world.allocate(
        machine,
        action.address === undefined ? undefined : (`10.9.0.${action.address}` as Ip),
      );
    case "release":
      return world.release(machine);
    case "renew":
      return world.renew(machine);
    case "crash":
      return world.crash(machine);
    case "power off":
      return world.powerOff(machine);
    case "start":
      return world.start(machine);
    case "restart":
      world.crash(machine);
      return world.start(machine);
    case "idle":
      return ipam?.releaseIdleBlocks();
    case "surrender":
      return ipam?.surrenderEmptyBlocks("web");
    case "tick":
      return ipam?.tick();
    case "cut off":
      machine.isCutOff = action.on;
      return;
    case "lose answers":
      machine.losesAnswers = action.on;
      return;
    case "outage":
      return world.outage(machine, action.ms);
    case "forget":
      // With force the operator vouches that the machine is off.
      if (action.force) world.powerOff(machine);
      await world.authority.forgetNode(machine.name, { force: action.force });
      return;
    default:
      return action satisfies never;
  }
}

test("no two live containers ever hold the same address", async () => {
  let allocated = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.tuple(...Array.from({ length: nodeCount }, () => fc.double({ min: 0.97, max: 1.03, noNaN: true }))),
      fc.constantFrom("10.9.0.0/29", "10.9.0.0/30"),
      fc.constantFrom(30, 31, 32),
      fc.array(fc.tuple(op, fc.nat(20)), { minLength: 40, maxLength: 100, size: "max" }),
      async (scheduler, rates, pool, blockPrefix, ops) => {
        const world = new World(scheduler, rates);
        const setUp = (async () => {
          const network = await world.authority.createNetwork({
            name: "web",
            pools: [{ cidr: pool, blockPrefix }],
          });
          world.views.set(network.name, network);
          for (const machine of world.machines) {
            await world.start(machine);
            await world.renew(machine);
          }
        })();
        await scheduler.waitFor(setUp);
        const { failures } = world;
        for (const [action, points] of ops) {
          const run = perform(world, action).catch((error: unknown) => {
            if (!(error instanceof Error) || error.name === "AssertionError") failures.push(error);
          });
          if (["advance", "pass", "outage"].includes(action.kind)) await run;
          await world.settle(points);
          if (failures.length > 0) throw failures[0];
        }
        await scheduler.waitIdle();
        world.check();
        if (failures.length > 0) throw failures[0];
        allocated += world.allocated;
      },
    ),
    { numRuns: 300 },
  );
  expect(allocated).toBeGreaterThan(800);
});
