/**
 * The end of a run: nothing fails any more and everything must come to rest; then one thing fails at a time, and what
 * follows must follow within its bound. Time passes in rounds, in which everybody gets all work done.
 */
import { liveKey } from "../../../registry/index.ts";
import type { AgentNode } from "./agent-node.ts";
import { kernelLag, namersOf, viewsLag } from "./convergence.ts";
import { type Fabric, networkName } from "./fabric.ts";
import { settle } from "./scheduler.ts";
import { storeName } from "./store-link.ts";
import { checkEveryMs, deregisterAfterMs } from "./workloads.ts";

const [roundMs, longRoundMs] = [500, 1000];
const pointsPerRoundMax = 1500;
const pointsPerWorkMax = 5000;
/** Longest way from the last trouble to rest: retries back off up to 15 s, a runtime's DEL and orphans take 30. */
const restMs = 240_000;
/** From the last change to a kernel at its plan: retries back off up to 10 s. */
const kernelMs = 12_000;
/** Of a node's liveness; the last word of its agent may be late by a beat. */
const [liveMs, beatMs] = [10_000, 2000];
/** From the end of the lease, or of a check's answer, to everybody's names. */
const followMs = 3000;
const silenceMs = 6000;
/** Between two addresses that everybody wants. */
const greedMs = 4000;

export class Exams {
  readonly #fabric: Fabric;
  /** A service manager starts what ended. */
  #startsNodes = true;

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  async run(): Promise<void> {
    const { world } = this.#fabric;
    await this.#rest();
    if (world.violation || world.pace.name === "days") return;
    const exams = [
      () => this.#drift(),
      () => this.#illness(),
      () => this.#serverWithoutStore(),
      () => this.#frozenServer(),
      () => this.#lostNode(),
    ];
    await world.random.pick(exams)();
    if (!world.violation) await this.#deadNode();
  }

  /** Everything is repaired and comes to rest. */
  async #rest(): Promise<void> {
    const { world, nodes } = this.#fabric;
    world.trace.add("* nothing fails any more");
    world.network.heal();
    for (const machine of world.machines) await machine.thaw();
    for (const { disk, host } of nodes) {
      disk.syncMs = 0;
      disk.isFull = false;
      disk.isCalm = true;
      host.isCalm = true;
    }
    // Who beats slowly is slow to find that nobody answers.
    if (world.pace.name === "days") await this.#fabric.pass(2 * (world.pace.server.deadAfterMs ?? 0));
    await this.#until("all is at rest", restMs, () => this.#lag());
  }

  /** What somebody else changed in a kernel, and Linux refuses to repair at first, is repaired. */
  async #drift(): Promise<void> {
    const { world, nodes } = this.#fabric;
    const node = world.random.pick(nodes);
    node.host.refusals = world.random.below(3);
    const what = await node.host.drift();
    world.trace.add(`* ${node.name}: ${what}; ${node.host.refusals} batches are refused in part`);
    await this.#until(`the kernel of ${node.name} is repaired`, kernelMs, () => this.#kernelLag(node));
  }

  /** A workload that becomes ill is called so everywhere, and taken away when it stays so. */
  async #illness(): Promise<void> {
    const { world, nodes } = this.#fabric;
    const node = world.random.pick(nodes);
    await this.#work(node.register());
    const [service] = node.process?.registrations.state.services() ?? [];
    if (!service) return;
    node.workloads.change(service.id, 2);
    const [check] =
      node.process?.registrations.state.checks().filter((one) => one.record.serviceId === service.id) ?? [];
    world.trace.add(`* ${node.name}: ${service.id} is ill`);
    await this.#until("all call it ill", checkEveryMs + followMs, () => this.#viewsLag());
    if (check?.definition.deregisterCriticalServiceAfterMs === undefined) return;
    const isThere = () => (node.process?.registrations.state.service(service.id) ? "it is there" : undefined);
    await this.#until(
      "it is taken away",
      deregisterAfterMs + 2 * checkEveryMs,
      () => isThere() ?? this.#viewsLag(),
    );
  }

  /** A server that lost the store holds no node back from another server: nobody who runs is taken for dead. */
  async #serverWithoutStore(): Promise<void> {
    const { world } = this.#fabric;
    const server = world.random.pick(world.servers);
    world.trace.add(`* ${server.name} loses the store`);
    this.#fabric.cutOff(server.name, [storeName]);
    await this.#allAlive(2 * liveMs);
    world.network.heal();
    await this.#until("all is at rest", restMs, () => this.#lag());
  }

  /** Agents of a server that says nothing any more go to another in time. */
  async #frozenServer(): Promise<void> {
    const { world, nodes } = this.#fabric;
    const server = world.random.pick(world.servers);
    world.trace.add(`* ${server.name}: freeze`);
    server.freeze();
    await this.#allAlive(silenceMs + beatMs);
    const left = () => nodes.find(({ process }) => process?.client.state.address === server.name)?.name;
    await this.#until("no agent waits for the frozen server", followMs, left);
    await this.#allAlive(liveMs);
    await server.thaw();
    await this.#until("all is at rest", restMs, () => this.#lag());
  }

  /** In whatever way a node goes: its liveness ends with its lease, and its names with its liveness. */
  async #deadNode(): Promise<void> {
    const { world, nodes } = this.#fabric;
    const node = world.random.pick(nodes);
    const way = world.random.pick(["crash", "power off", "freeze", "cut off"]);
    world.trace.add(`* ${node.name}: ${way}`);
    this.#startsNodes = false;
    if (way === "crash") node.crash();
    else if (way === "power off") node.powerOff();
    else if (way === "freeze") node.machine.freeze();
    else
      this.#fabric.cutOff(
        node.name,
        world.servers.map(({ name }) => name),
      );
    const isLive = () => (world.truth.at(liveKey(node.name), world.truth.revision) ? "it lives" : undefined);
    await this.#until(`the lease of ${node.name} ends`, liveMs + beatMs, isLive);
    const others = nodes.filter((other) => other !== node);
    const seen = () => namersOf(node.name, others)[0];
    await this.#until(`nobody names the dead ${node.name}`, followMs, seen);
    const own = () => (node.process?.isMarkedStale() === false ? "it does not say so" : undefined);
    if (way === "cut off") await this.#until("its own names are marked as old", silenceMs + liveMs, own);
  }

  /** A node that is away for longer than its term: others get its blocks, and never an address that it still speaks for. */
  async #lostNode(): Promise<void> {
    const { world, nodes } = this.#fabric;
    const lost = world.random.pick(nodes);
    for (let i = 0; i < 3; i++) await this.#work(lost.attach(networkName));
    world.trace.add(`* ${lost.name} is away`);
    this.#fabric.cutOff(
      lost.name,
      world.servers.map(({ name }) => name),
    );
    for (let ms = 0; ms < 1.5 * world.pace.reclaimAfterMs && !world.violation; ms += greedMs) {
      for (const node of nodes) world.start(node.attach(networkName));
      for (let round = 0; round < greedMs; round += longRoundMs) await this.#round(longRoundMs);
    }
    world.network.heal();
    await this.#until("all is at rest", restMs, () => this.#lag());
  }

  async #allAlive(forMs: number): Promise<void> {
    const { world, nodes } = this.#fabric;
    for (let ms = 0; ms < forMs && !world.violation; ms += roundMs) {
      await this.#round();
      for (const { name } of nodes)
        if (!world.truth.at(liveKey(name), world.truth.revision))
          world.broken(`${name} runs and is taken for dead`);
    }
  }

  async #until(
    what: string,
    mostMs: number,
    lag: () => string | undefined | Promise<string | undefined>,
  ): Promise<void> {
    const { world } = this.#fabric;
    if (world.violation) return;
    let last: string | undefined = "nothing was looked at";
    for (let ms = 0; ms < mostMs; ms += roundMs) {
      await this.#round();
      last = await lag();
      if (last === undefined || world.violation) return;
    }
    world.broken(`not within ${mostMs} ms: ${what}: ${last}`);
  }

  async #round(ms: number = roundMs): Promise<void> {
    const { world, nodes } = this.#fabric;
    await world.advance(ms);
    await world.work(pointsPerRoundMax);
    await this.#fabric.check();
    if (this.#startsNodes) for (const node of nodes) this.#fabric.startNode(node);
  }

  async #lag(): Promise<string | undefined> {
    const lag = this.#viewsLag();
    if (lag !== undefined) return lag;
    for (const node of this.#fabric.nodes) {
      const behind = await this.#kernelLag(node);
      if (behind !== undefined) return behind;
    }
    return undefined;
  }

  #viewsLag(): string | undefined {
    return viewsLag(this.#fabric.nodes, this.#fabric.world.truth);
  }

  #kernelLag(node: AgentNode): Promise<string | undefined> {
    return kernelLag(node, this.#fabric.world.truth, (promise) => this.#work(promise));
  }

  /** What it comes to when everybody works and no time passes; undefined: to nothing. */
  async #work<T>(promise: Promise<T>): Promise<T | undefined> {
    const { scheduler } = this.#fabric.world;
    let outcome: { readonly value: T } | "failed" | undefined;
    promise.then(
      (value) => {
        outcome = { value };
      },
      () => {
        outcome = "failed";
      },
    );
    await settle();
    for (let i = 0; i < pointsPerWorkMax && outcome === undefined && (await scheduler.passOne()); i++);
    return typeof outcome === "object" ? outcome.value : undefined;
  }
}
