/**
 * The simulated fabric: servers over one store, nodes with containers and services, workloads that use and watch keys. It
 * brings them up, takes them down and lets time pass; what happens next is chosen by actions.ts and simulate.ts.
 */
import { AgentNode } from "./agent-node.ts";
import { Invariants } from "./invariants.ts";
import { KeysClient } from "./keys-client.ts";
import { KeysWatch } from "./keys-watch.ts";
import type { Life, Machine } from "./life.ts";
import { settle } from "./scheduler.ts";
import { ServerProcess } from "./server-process.ts";
import { storeName } from "./store-link.ts";
import type { World } from "./world.ts";

const pools = ["10.9.0.0/29", "10.9.0.0/28", "10.9.0.0/27"] as const;
export const networkName = "web";
const [openRoundMs, openRoundsMax, pointsPerRound] = [100, 100, 200];

export interface Done {
  /** Addresses handed out. */
  readonly allocated: number;
  /** Writes of keys that were answered. */
  readonly written: number;
  /** Services registered with agents. */
  readonly registered: number;
  /** Changes that watches were told of. */
  readonly watched: number;
}

export class Fabric {
  readonly world: World;
  readonly nodes: readonly AgentNode[];
  readonly keys: KeysClient;
  readonly #servers = new WeakMap<Life, ServerProcess>();
  readonly #watches: readonly KeysWatch[];
  readonly #invariants: Invariants;

  constructor(world: World) {
    this.world = world;
    const registryAt = (life: Life) => this.#servers.get(life)?.keys.open;
    this.keys = new KeysClient(world, registryAt);
    this.#watches = world.nodes.map(({ name }) => new KeysWatch(world, name, registryAt));
    this.nodes = world.nodes.map(
      (machine) => new AgentNode(world, machine, (life) => this.#servers.get(life)),
    );
    this.#invariants = new Invariants(world, this.nodes, () =>
      world.servers.flatMap(({ life }) => (life?.isAlive ? (this.#servers.get(life) ?? []) : [])),
    );
  }

  /** How much was done, so that a test can say that enough was. */
  get done(): Done {
    return {
      allocated: sum(this.nodes.map(({ allocated }) => allocated)),
      written: this.keys.written,
      registered: sum(this.nodes.map(({ registered }) => registered)),
      watched: sum(this.#watches.map(({ received }) => received)),
    };
  }

  /** Everything up, with one network; nothing fails meanwhile. */
  async open(): Promise<void> {
    const { random, servers, scheduler } = this.world;
    for (const server of servers) this.startServer(server);
    const spec = { cidr: random.pick(pools), blockPrefix: random.pick([30, 31, 32]) };
    let isMade = false;
    const made = this.serverOf(servers[0])?.pools.createNetwork({ name: networkName, pools: [spec] });
    this.world.start(
      Promise.resolve(made).then(() => {
        isMade = true;
      }),
    );
    await settle();
    while (!isMade && (await scheduler.passOne()));
    for (const node of this.nodes) this.startNode(node);
    for (let round = 0; round < openRoundsMax && !this.nodes.every(isReady); round++) {
      await this.world.advance(openRoundMs);
      await this.world.work(pointsPerRound);
    }
  }

  /** All that must hold at any moment. */
  check(): Promise<void> {
    return this.#invariants.check();
  }

  serverOf(machine: Machine | undefined): ServerProcess | undefined {
    return machine?.life?.isAlive ? this.#servers.get(machine.life) : undefined;
  }

  startServer(machine: Machine): void {
    const life = machine.begin();
    this.#servers.set(life, new ServerProcess(this.world, life));
  }

  startNode(node: AgentNode): void {
    const { machine } = node;
    if (machine.isUp) return;
    this.world.start(node.start());
    const watch = this.#watches[this.nodes.indexOf(node)];
    if (machine.life?.isAlive && watch) this.world.start(watch.run(machine.life));
  }

  /** A short time passes before anything else happens; in a long one work goes on. */
  async pass(ms: number): Promise<void> {
    const { trace, pace } = this.world;
    trace.add(`* ${ms} ms pass`);
    for (let leftMs = ms; leftMs > 0; leftMs -= pace.breathMs) {
      await this.world.advance(Math.min(pace.breathMs, leftMs));
      await this.check();
      if (leftMs <= pace.breathMs || this.world.violation) return;
      await this.world.work(pace.pointsPerBreath, () => this.check());
    }
  }

  /** In one direction, to or from whomever it speaks with. */
  cutLink(name: string): void {
    const { random, network, servers, trace } = this.world;
    const peers = [storeName, ...servers.map((server) => server.name)].filter((peer) => peer !== name);
    const [from, to] = random.chance(0.5) ? [name, random.pick(peers)] : [random.pick(peers), name];
    trace.add(`* cut ${from} → ${to}`);
    network.cut(from, to);
  }

  /** From each of them, both ways. */
  cutOff(name: string, peers: readonly string[]): void {
    for (const peer of peers) {
      this.world.network.cut(name, peer);
      this.world.network.cut(peer, name);
    }
  }

  /** With force the operator vouches that the machine is off. */
  async forget(node: AgentNode, force: boolean): Promise<void> {
    const machine = this.world.random.pick(this.world.servers);
    const server = this.serverOf(machine);
    if (!server || !machine.life) return;
    if (force) {
      node.powerOff();
      node.isHeldOff = true;
    }
    try {
      await Promise.race([server.pools.forgetNode(node.name, { force }), machine.life.ended]);
    } finally {
      node.isHeldOff = false;
    }
  }
}

function isReady({ process }: AgentNode): boolean {
  return process?.client.state.connected === true && process.fabric.ready;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
