/**
 * One machine's kernel: the in-memory twin. It outlives the agent, which may die in the middle of a batch, and does not
 * outlive a loss of power. Others change it, too: routes and neighbours vanish, links go down, tables are flushed,
 * notifications are lost, operations are refused. An agent's process has it by a door that closes with the process.
 */
import { type Ip, parseCidr } from "../../../addr/index.ts";
import {
  type Kernel,
  type KernelOperation,
  MemoryKernel,
  type NetnsPath,
  type Route,
} from "../../../kernel/index.ts";
import type { Life, Machine } from "./life.ts";
import type { World } from "./world.ts";

/** Of a batch: the agent dies in the middle, an operation is refused. */
const [deathChance, refusalChance] = [0.004, 0.03];
/** Of a dump: something else comes first. */
const pauseChance = 0.15;
const ownProtocol = 72;
const main = 254;

const never = new Promise<never>(() => undefined);

export class Host {
  readonly #world: World;
  readonly #machine: Machine;
  readonly #underlay: readonly Ip[];
  readonly #netns = new Set<NetnsPath>();
  #kernel: MemoryKernel | undefined;
  #boot = 0;
  #local: { readonly applied: number; readonly ips: readonly string[] } | undefined;
  /** No operation is refused, and nobody dies. */
  isCalm = false;
  /** The next batch has so many operations that are refused, calm or not. */
  refusals = 0;

  constructor(world: World, machine: Machine, underlay: readonly Ip[]) {
    this.#world = world;
    this.#machine = machine;
    this.#underlay = underlay;
  }

  /** Of the boot that runs; undefined before anything ran on the machine. */
  get kernel(): MemoryKernel | undefined {
    return this.#boot === this.#machine.boot ? this.#kernel : undefined;
  }

  addNetns(path: NetnsPath): void {
    this.#netns.add(path);
    this.kernel?.addNetns(path);
  }

  removeNetns(path: NetnsPath): void {
    if (this.#netns.delete(path)) this.kernel?.removeNetns(path);
  }

  hasNetns(path: NetnsPath): boolean {
    return this.kernel !== undefined && this.#netns.has(path);
  }

  /** The kernel as a process has it. */
  async open(life: Life): Promise<Kernel> {
    const kernel = this.kernel ?? (await this.#bootUp());
    // What a kernel's own user changes in a table is not told to it: others are other users.
    return this.#doorTo(await kernel.inside("/proc/1/ns/net"), life);
  }

  /** Where our routes to other nodes lead. */
  async remotePrefixes(): Promise<readonly string[]> {
    const routes = await this.#routes();
    const links = new Map((await this.kernel?.links())?.map(({ index, name }) => [index, name]));
    return routes
      .filter(({ linkIndex }) => !links.get(linkIndex ?? 0)?.startsWith("hd"))
      .map(({ to }) => to)
      .sort();
  }

  /** Addresses that lead to containers of this machine. */
  async localAddresses(): Promise<readonly string[]> {
    const { kernel } = this;
    if (!kernel) return [];
    if (this.#local?.applied !== kernel.applied) {
      const links = new Map((await kernel.links()).map(({ index, name }) => [index, name]));
      const ips = (await this.#routes())
        .filter(({ linkIndex }) => links.get(linkIndex ?? 0)?.startsWith("hd"))
        .map(({ to }) => to);
      this.#local = { applied: kernel.applied, ips };
    }
    return this.#local.ips;
  }

  /** Somebody else changes what is ours. Answers what, or undefined when there was nothing. */
  async drift(): Promise<string | undefined> {
    const { kernel } = this;
    const { random } = this.#world;
    if (!kernel) return undefined;
    const routes = await this.#routes();
    const links = (await kernel.links()).filter(({ alias }) => alias?.startsWith("heddle:"));
    const rows = (await Promise.all(links.map(({ index }) => kernel.neighbours(index)))).flat();
    const [route, link, row] = [random.pick(routes), random.pick(links), random.pick(rows)];
    const changes: (readonly [string, () => Promise<unknown>])[] = [
      ["a notification is lost", async () => kernel.overrun()],
      [
        "the table is gone",
        () => kernel.nftApply([{ delete: { table: { family: "inet", name: "heddle" } } }]),
      ],
    ];
    if (route)
      changes.push(
        [`route to ${route.to} is gone`, () => kernel.apply([{ op: "route.delete", route }])],
        [`route to ${route.to} is gone`, () => kernel.apply([{ op: "route.delete", route }])],
      );
    if (link)
      changes.push(
        [
          `${link.name} is down`,
          () => kernel.apply([{ op: "link.change", link: link.index, change: { up: false } }]),
        ],
        [`${link.name} is gone`, () => kernel.apply([{ op: "link.delete", link: link.index }])],
      );
    if (row) {
      const { linkIndex, ...rest } = row;
      const neighbour = { ...rest, link: linkIndex };
      changes.push([
        `neighbour ${row.ip} is gone`,
        () => kernel.apply([{ op: "neighbour.delete", neighbour }]),
      ]);
    }
    const [what, change] = random.pick(changes);
    await change().catch(() => undefined);
    return what;
  }

  async #routes(): Promise<readonly Route[]> {
    const routes = (await this.kernel?.routes({ table: main, protocol: ownProtocol })) ?? [];
    return routes.filter(({ type }) => type === "unicast");
  }

  async #bootUp(): Promise<MemoryKernel> {
    this.#boot = this.#machine.boot;
    this.#netns.clear();
    const kernel = new MemoryKernel({ clock: this.#machine.clock });
    this.#kernel = kernel;
    this.#local = undefined;
    kernel.addDevice("eth0");
    for (const ip of this.#underlay)
      await kernel.apply([{ op: "address.put", link: "eth0", ip, prefix: 24 }]);
    const to = parseCidr("0.0.0.0/0");
    const route = { to, type: "unicast", protocol: 3, table: main, link: "eth0" } as const;
    await kernel.apply([{ op: "route.put", route: { ...route, scope: 253 } }]);
    return kernel;
  }

  #doorTo(kernel: Kernel, life: Life): Kernel {
    const { scheduler, random } = this.#world;
    const look = async <T>(read: () => Promise<T>): Promise<T> => {
      if (!this.isCalm && random.chance(pauseChance)) await scheduler.point(life, "look");
      return read();
    };
    return {
      netnsId: kernel.netnsId,
      links: () => look(() => kernel.links()),
      link: (name) => kernel.link(name),
      addresses: (index) => kernel.addresses(index),
      routes: (query) => look(() => kernel.routes(query)),
      rules: (family) => kernel.rules(family),
      neighbours: (index) => look(() => kernel.neighbours(index)),
      fdb: (index) => kernel.fdb(index),
      routeTo: (destination) => kernel.routeTo(destination),
      sysctl: (path) => kernel.sysctl(path),
      nftTable: (family, name) => look(() => kernel.nftTable(family, name)),
      events: (topics, signal) => kernel.events(topics, AbortSignal.any([signal, life.signal])),
      apply: (operations) => this.#apply(kernel, life, operations),
      nftApply: async (commands) => {
        if (!life.isAlive) return never;
        await kernel.nftApply(commands);
        await scheduler.point(life, "nft");
      },
      inside: async (netns) => this.#doorTo(await kernel.inside(netns), life),
      close: () => undefined,
    };
  }

  /** At once, as a process sends its operations in one go; the answer takes its time. */
  async #apply(kernel: Kernel, life: Life, operations: readonly KernelOperation[]) {
    const { scheduler, random, bug } = this.#world;
    if (!life.isAlive) return never;
    if (!this.isCalm && random.chance(deathChance)) {
      await kernel.apply(operations.slice(0, random.below(operations.length + 1)));
      life.machine.end();
      return never;
    }
    if (operations.length > 0 && (this.refusals > 0 || (!this.isCalm && random.chance(refusalChance)))) {
      this.refusals = Math.max(0, this.refusals - 1);
      this.kernel?.failAt(random.between(1, operations.length), random.pick(["ENOBUFS", "EBUSY"]));
    }
    const results = await kernel.apply(operations);
    await scheduler.point(life, "kernel");
    return bug === "forgotten row" ? results.map(() => undefined) : results;
  }
}
