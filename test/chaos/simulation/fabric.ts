/**
 * The simulated fabric: servers over one store, nodes with containers, and what may happen to them. It says what can
 * be done next and what must hold after every step; the order is simulate.ts's.
 */
import type { Ip } from "../../../addr/index.ts";
import type { NetworkRecord, PoolAuthority } from "../../../ipam/index.ts";
import { AddressNode, type Container } from "./address-node.ts";
import { startAuthority } from "./address-server.ts";
import type { Life, Machine } from "./life.ts";
import { settle } from "./scheduler.ts";
import { storeLink, storeName } from "./store-link.ts";
import type { Action, World } from "./world.ts";

const pools = ["10.9.0.0/29", "10.9.0.0/28"] as const;
const wallJumpMs = 3 * 3600 * 1000;

export class Fabric {
  readonly #world: World;
  readonly #nodes: readonly AddressNode[];
  readonly #networks = new Map<string, NetworkRecord>();
  readonly #authorities = new WeakMap<Life, PoolAuthority>();

  constructor(world: World) {
    this.#world = world;
    const authorityAt = async (server: Life) => this.#authorities.get(server) as PoolAuthority;
    this.#nodes = world.nodes.map(
      (machine) => new AddressNode({ world, machine, networks: this.#networks, authorityAt }),
    );
  }

  get allocated(): number {
    return this.#nodes.reduce((sum, node) => sum + node.allocated, 0);
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
    for (const node of this.#nodes) this.#world.start(node.start());
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
    const [work, fault] = [to("work"), to("fault")];
    const time = (weight: number, leastMs: number, mostMs: number): Action => ({
      kind: "time",
      weight,
      run: () => this.#pass(random.between(leastMs, mostMs)),
    });
    const named = () => `10.9.0.${random.between(1, 6)}` as Ip;
    return [
      work(14, "allocate", (node) => node.allocate("web")),
      work(3, "allocate by name", (node) => node.allocate("web", named())),
      work(8, "release", (node) => node.release()),
      work(2, "renew", (node) => node.renew()),
      work(2, "release idle blocks", async (node) => node.ipam?.releaseIdleBlocks()),
      work(1, "surrender blocks", async (node) => node.ipam?.surrenderEmptyBlocks("web")),
      work(7, "start", (node) => node.start()),
      fault(2, "crash", (node) => node.crash()),
      fault(2, "power off", (node) => node.powerOff()),
      fault(1, "the disk's speed changes", (node) => {
        node.disk.syncPoints = random.chance(0.5) ? 1 : random.between(2, 12);
      }),
      fault(1, "cut off", (node) => this.#cutOff(node.machine.name)),
      fault(1, "the wall clock jumps", ({ machine }) =>
        machine.clock.jumpWall(random.between(-wallJumpMs, wallJumpMs)),
      ),
      fault(1, "forget it", (node) => this.#forget(node, false)),
      fault(1, "it is gone for good", (node) => this.#forget(node, true)),
      { kind: "fault", weight: 1, run: () => this.#restartServer(random.pick(servers)) },
      { kind: "fault", weight: 2, run: () => this.#cutLink(random.pick(machines).name) },
      {
        kind: "work",
        weight: 2,
        run: () => {
          trace.add("* the network heals");
          network.heal();
        },
      },
      time(12, 100, 6000),
      time(4, 6000, 40_000),
      time(1, 80_000, 130_000),
    ];
  }

  /** All that must hold at any moment. */
  check(): void {
    this.#checkContainers();
    this.#checkLeases();
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

  async #pass(ms: number): Promise<void> {
    this.#world.trace.add(`* ${ms} ms pass`);
    await this.#world.advance(ms);
    for (const node of this.#nodes) node.timePassed();
  }

  #startServer(machine: Machine): void {
    const { store, network, scheduler } = this.#world;
    const life = machine.begin();
    this.#authorities.set(
      life,
      startAuthority(this.#world, life, storeLink({ store, life, network, scheduler })),
    );
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
