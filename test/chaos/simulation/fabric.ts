/**
 * The simulated fabric: servers over one store, nodes with containers, and what may happen to them. It says what can
 * be done next and what must hold after every step; the order is simulate.ts's.
 */
import type { Ip } from "../../../addr/index.ts";
import type { NetworkRecord, PoolAuthority } from "../../../ipam/index.ts";
import type { Store } from "../../../store/index.ts";
import { AddressNode, type Container } from "./address-node.ts";
import { startAuthority } from "./address-server.ts";
import { deadSeenAlive, kernelLag, viewsLag } from "./convergence.ts";
import { KernelNode } from "./kernel-node.ts";
import { KeysClient } from "./keys-client.ts";
import { KeysServer } from "./keys-server.ts";
import { KeysWatch } from "./keys-watch.ts";
import type { Life, Machine } from "./life.ts";
import { settle } from "./scheduler.ts";
import { SessionAgent } from "./session-agent.ts";
import { SessionServer } from "./session-server.ts";
import { storeLink, storeName } from "./store-link.ts";
import type { Action, World } from "./world.ts";

const pools = ["10.9.0.0/29", "10.9.0.0/29", "10.9.0.0/28"] as const;
/** Of a long time, how much passes at once, and how much work is done then. */
const breathMs = 4000;
const pointsPerBreath = 30;
const quietRoundMs = 1000;
const quietPointsMax = 200;
const quietRoundsMax = 240;
/** The lease of a node's liveness is 10 s, the next beat of its last server comes within one more. */
const deadRounds = 16;
const wallJumpMs = 3 * 3600 * 1000;

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
  readonly #world: World;
  readonly #nodes: readonly AddressNode[];
  readonly #networks = new Map<string, NetworkRecord>();
  readonly #authorities = new WeakMap<Life, PoolAuthority>();
  readonly #links = new WeakMap<Life, Store>();
  readonly #keys = new WeakMap<Life, KeysServer>();
  readonly #sessions = new WeakMap<Life, SessionServer>();
  readonly #agents: readonly SessionAgent[];
  readonly #kernels: readonly KernelNode[];
  readonly #client: KeysClient;
  readonly #watches: readonly KeysWatch[];

  constructor(world: World) {
    this.#world = world;
    const authorityAt = async (server: Life) => this.#authorities.get(server) as PoolAuthority;
    const registryAt = (server: Life) => this.#keys.get(server)?.open;
    this.#client = new KeysClient(world, registryAt);
    this.#watches = world.nodes.map(({ name }) => new KeysWatch(world, name, registryAt));
    this.#nodes = world.nodes.map(
      (machine) => new AddressNode({ world, machine, networks: this.#networks, authorityAt }),
    );
    const sessionAt = (server: Life) => this.#sessionServer(server);
    this.#agents = this.#nodes.map((node) => new SessionAgent(world, node, sessionAt));
    this.#kernels = this.#agents.map((agent) => {
      const fabric = () => (agent.running?.fabric.ready ? agent.running.fabric.items : undefined);
      return new KernelNode(world, agent.machine, fabric);
    });
  }

  /** How much was done, so that a test can say that enough was. */
  get done(): Done {
    return {
      allocated: sum(this.#nodes.map(({ allocated }) => allocated)),
      written: this.#client.written,
      registered: sum(this.#agents.map(({ registered }) => registered)),
      watched: sum(this.#watches.map(({ received }) => received)),
    };
  }

  /** Everything up, with one network; nothing fails meanwhile. */
  async open(): Promise<void> {
    const { random, servers, scheduler, start } = this.#world;
    for (const server of servers) this.#startServer(server);
    const [first] = servers;
    const authority = first?.life && this.#authorities.get(first.life);
    const cidr = random.pick(pools);
    const made = authority?.createNetwork({
      name: "web",
      pools: [{ cidr, blockPrefix: random.pick([30, 31, 32]) }],
    });
    let isMade = false;
    start.call(
      this.#world,
      made?.then((network) => {
        this.#networks.set(network.name, network);
        isMade = true;
      }) ?? Promise.resolve(),
    );
    await settle();
    while (!isMade && (await scheduler.passOne()));
    for (const node of this.#nodes) this.#startNode(node);
    await settle();
  }

  actions(): readonly Action[] {
    const { random, trace, network, servers, machines } = this.#world;
    const to =
      (kind: Action["kind"]) =>
      (weight: number, what: string, act: (node: AddressNode) => Promise<void> | void): Action => ({
        kind,
        weight,
        run: () => {
          const node = random.pick(this.#nodes);
          trace.add(`* ${node.machine.name}: ${what}`);
          return act(node);
        },
      });
    const [addresses, keys, fault, repair] = [to("addresses"), to("keys"), to("fault"), to("repair")];
    const time = (weight: number, leastMs: number, mostMs: number): Action => ({
      kind: "time",
      weight,
      run: () => this.#pass(random.between(leastMs, mostMs)),
    });
    const named = () => `10.9.0.${random.between(1, 6)}` as Ip;
    return [
      addresses(14, "allocate", (node) => node.allocate("web")),
      addresses(3, "allocate by name", (node) => node.allocate("web", named())),
      {
        kind: "addresses",
        weight: 3,
        run: () => {
          trace.add("* everybody wants addresses");
          for (const node of [...this.#nodes, ...this.#nodes]) this.#world.start(node.allocate("web"));
        },
      },
      addresses(8, "release", (node) => node.release()),
      addresses(2, "renew", (node) => node.renew()),
      addresses(2, "release idle blocks", async (node) => node.ipam?.releaseIdleBlocks()),
      addresses(1, "surrender blocks", async (node) => node.ipam?.surrenderEmptyBlocks("web")),
      repair(7, "start", (node) => this.#startNode(node)),
      keys(5, "put", ({ machine }) => this.#client.put(machine)),
      keys(2, "delete", ({ machine }) => this.#client.delete(machine)),
      keys(3, "count", ({ machine }) => this.#client.count(machine)),
      keys(3, "register", (node) => this.#agentOf(node)?.register()),
      keys(1, "deregister", (node) => this.#agentOf(node)?.deregister()),
      keys(1, "read", ({ machine }) => this.#client.read(machine)),
      fault(2, "crash", (node) => node.crash()),
      fault(2, "power off", (node) => node.powerOff()),
      fault(1, "the disk's speed changes", (node) => {
        node.disk.syncPoints = random.chance(0.5) ? 1 : random.between(2, 12);
      }),
      fault(2, "cut off", (node) => this.#cutOff(node.machine.name)),
      fault(1, "the wall clock jumps", ({ machine }) =>
        machine.clock.jumpWall(random.between(-wallJumpMs, wallJumpMs)),
      ),
      fault(1, "forget it", (node) => this.#forget(node, false)),
      fault(1, "it is gone for good", (node) => this.#forget(node, true)),
      { kind: "fault", weight: 1, run: () => this.#restartServer(random.pick(servers)) },
      { kind: "fault", weight: 2, run: () => this.#cutLink(random.pick(machines).name) },
      {
        kind: "repair",
        weight: 2,
        run: () => {
          trace.add("* the network heals");
          network.heal();
        },
      },
      time(12, 100, breathMs),
      time(3, breathMs, 40_000),
      time(2, 90_000, 130_000),
    ];
  }

  /** All that must hold at any moment. */
  check(): void {
    this.#checkContainers();
    this.#checkLeases();
    for (const { life } of this.#world.servers) if (life?.isAlive) this.#keys.get(life)?.check();
  }

  /** Nothing fails any more: everything must come to its end, and one that dies then must be seen to be dead. */
  async converge(): Promise<void> {
    const { network, random, truth, trace } = this.#world;
    trace.add("* nothing fails any more");
    network.heal();
    for (const { disk } of [...this.#nodes, ...this.#agents]) disk.syncPoints = 1;
    let lag: string | undefined = "nothing was looked at";
    for (let round = 0; lag !== undefined && round < quietRoundsMax; round++) {
      for (const node of this.#nodes) this.#startNode(node);
      await this.#quietRound();
      lag = viewsLag(this.#agents, truth);
      for (const [index, kernel] of this.#kernels.entries())
        lag ??= await kernelLag(this.#nodes[index]?.machine.name ?? "", kernel, truth);
    }
    if (lag !== undefined) return this.#world.broken(`no convergence: ${lag}`);
    const dead = random.pick(this.#nodes);
    trace.add(`* ${dead.machine.name}: crash`);
    dead.crash();
    for (let round = 0; round < deadRounds; round++) await this.#quietRound();
    const seen = deadSeenAlive(dead.machine.name, this.#agents, truth);
    if (seen !== undefined) this.#world.broken(`${dead.machine.name} is dead and seen alive ${seen}`);
  }

  async #quietRound(): Promise<void> {
    await this.#world.advance(quietRoundMs);
    for (let i = 0; i < quietPointsMax && (await this.#world.scheduler.passOne()); i++);
    for (const node of this.#nodes) node.timePassed();
    this.check();
  }

  #checkContainers(): void {
    const holders = new Map<Ip, Container>();
    for (const { containers } of this.#nodes) {
      for (const container of containers) {
        if (!container.onFabric) continue;
        for (const { ip } of container.leases) {
          const other = holders.get(ip);
          if (other) this.#world.broken(`${ip} is held by container ${container.id} and by ${other.id}`);
          holders.set(ip, container);
        }
      }
    }
  }

  /** Whoever may allocate holds no lease that another one holds who may. */
  #checkLeases(): void {
    const holders = new Map<Ip, string>();
    for (const { ipam, machine } of this.#nodes) {
      if (ipam?.fenceStatus().kind !== "open") continue;
      for (const { ip } of ipam.leases()) {
        const other = holders.get(ip);
        if (other) this.#world.broken(`${ip} is leased by ${machine.name} and by ${other}`);
        holders.set(ip, machine.name);
      }
    }
  }

  /** In one direction. */
  #cutLink(name: string): void {
    const { random, network, servers, trace } = this.#world;
    const peers = [storeName, ...servers.map((server) => server.name)].filter((peer) => peer !== name);
    const [from, to] = random.chance(0.5) ? [name, random.pick(peers)] : [random.pick(peers), name];
    trace.add(`* cut ${from} → ${to}`);
    network.cut(from, to);
  }

  /** From every server, both ways. */
  #cutOff(node: string): void {
    for (const { name } of this.#world.servers) {
      this.#world.network.cut(node, name);
      this.#world.network.cut(name, node);
    }
  }

  /** A short time passes before anything else happens; in a long one work goes on. */
  async #pass(ms: number): Promise<void> {
    this.#world.trace.add(`* ${ms} ms pass`);
    for (let leftMs = ms; leftMs > 0; leftMs -= breathMs) {
      await this.#world.advance(Math.min(breathMs, leftMs));
      for (const node of this.#nodes) node.timePassed();
      this.check();
      if (leftMs <= breathMs || this.#world.violation) return;
      for (let i = 0; i < pointsPerBreath && (await this.#world.scheduler.passOne()); i++) this.check();
    }
  }

  #startServer(machine: Machine): void {
    const { store, network, scheduler, bug } = this.#world;
    const life = machine.begin();
    const link = storeLink({ store, life, network, scheduler, resumesLate: bug === "late resume" });
    this.#links.set(life, link);
    this.#authorities.set(life, startAuthority(this.#world, life, link));
    this.#keys.set(life, new KeysServer(this.#world, life, link));
  }

  /** Sessions begin once the server has a registry. */
  #sessionServer(life: Life): SessionServer | undefined {
    const known = this.#sessions.get(life);
    const open = this.#keys.get(life)?.open;
    const pools = this.#authorities.get(life);
    const store = this.#links.get(life);
    if (known || !open || !pools || !store) return known;
    const made = new SessionServer({ world: this.#world, life, store, pools, ...open });
    this.#sessions.set(life, made);
    return made;
  }

  #agentOf(node: AddressNode): SessionAgent | undefined {
    return this.#agents[this.#nodes.indexOf(node)];
  }

  #startNode(node: AddressNode): void {
    const { machine } = node;
    if (machine.isUp) return;
    this.#world.start(node.start());
    const { life } = machine;
    const index = this.#nodes.indexOf(node);
    if (!life?.isAlive) return;
    for (const part of [this.#watches[index], this.#agents[index], this.#kernels[index]]) {
      if (part) this.#world.start(part.run(life));
    }
  }

  #restartServer(machine: Machine): void {
    this.#world.trace.add(`* ${machine.name}: restart`);
    machine.end();
    this.#startServer(machine);
  }

  /** With force the operator vouches that the machine is off. */
  async #forget(node: AddressNode, force: boolean): Promise<void> {
    const { life } = this.#world.random.pick(this.#world.servers);
    const authority = life && this.#authorities.get(life);
    if (!authority) return;
    if (force) {
      node.powerOff();
      node.isHeldOff = true;
    }
    try {
      await Promise.race([authority.forgetNode(node.machine.name, { force }), life.ended]);
    } finally {
      node.isHeldOff = false;
    }
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
