/**
 * A node that dies at each step of containers coming and going at once: at every journal transaction and every
 * kernel operation, before it and after it. The real allocator, endpoints and reconciler over a journal and a
 * kernel that outlive the process, as a disk and a host do.
 */
import { expect, test } from "vitest";
import { type Ip, parseIp } from "../../addr/index.ts";
import { systemClock } from "../../clock/index.ts";
import {
  type NetworkRecord,
  NodeIpam,
  PoolAuthority,
  storeLeaseJournal,
  systemBootClock,
} from "../../ipam/index.ts";
import { type Kernel, MemoryKernel } from "../../kernel/index.ts";
import { Reconciler } from "../../overlay/index.ts";
import { type AttachRequest, EndpointService } from "../../plugins/index.ts";
import { MemoryStore, type Store } from "../../store/index.ts";

const never = new Promise<never>(() => undefined);
const containers = ["c0", "c1", "c2", "c3"] as const;
/** Outside of the node's blocks: claimed through the servers. */
const byName = parseIp("10.9.0.250");

function request(containerId: string): AttachRequest {
  return {
    containerId,
    ifname: "eth0",
    network: "web",
    origin: { plugin: "cni", name: "web" },
    form: { kind: "interface", netns: `/run/netns/${containerId}` },
    addresses: containerId === "c3" ? [byName] : [],
  };
}

/** What outlives the process. */
class Machine {
  readonly kernel = new MemoryKernel();
  readonly disk = new MemoryStore();
  readonly pools = new PoolAuthority(new MemoryStore(), systemClock);
  epoch = 0;

  static async make(): Promise<Machine> {
    const machine = new Machine();
    await machine.pools.createNetwork({ name: "web", pools: [{ cidr: "10.9.0.0/24" }] });
    for (const id of containers) machine.kernel.addNetns(`/run/netns/${id}`);
    machine.epoch = (await machine.pools.joinNode("n1")).epoch;
    return machine;
  }
}

/** One life of the agent's process; nothing that it was about to do happens once it is dead. */
class Life {
  readonly ipam: NodeIpam;
  readonly endpoints: EndpointService;
  readonly reconciler: Reconciler;

  static async begin(machine: Machine, stepsToLive = Number.POSITIVE_INFINITY): Promise<Life> {
    let left = stepsToLive;
    const mortal = <T extends object>(target: T, methods: readonly (keyof T)[]): T =>
      new Proxy(target, {
        get: (object, property) => {
          const value: unknown = Reflect.get(object, property, object);
          if (typeof value !== "function") return value;
          if (!methods.includes(property as keyof T)) return value.bind(object) as unknown;
          return async (...args: unknown[]) => {
            if (left-- <= 0) return never;
            const result: unknown = await value.apply(object, args);
            return left-- <= 0 ? never : result;
          };
        },
      });
    const store: Store = mortal<Store>(machine.disk, ["txn"]);
    const kernel: Kernel = mortal<Kernel>(machine.kernel, ["apply"]);
    const networks = new Map<string, NetworkRecord>(
      (await machine.pools.networks()).map((record) => [record.name, record]),
    );
    const ipam = await NodeIpam.open({
      journal: storeLeaseJournal(store, "leases/"),
      source: machine.pools.asBlockSource("n1", () => machine.epoch, networks),
      clock: systemClock,
      bootClock: systemBootClock(),
    });
    const journal = { load: async () => undefined, save: async () => undefined };
    const reconciler = new Reconciler({ kernel, journal, clock: systemClock });
    const endpoints = await EndpointService.open({
      addresses: ipam,
      links: reconciler,
      store,
      clock: systemClock,
      mtu: () => 1450,
    });
    return new Life(ipam, endpoints, reconciler);
  }

  private constructor(ipam: NodeIpam, endpoints: EndpointService, reconciler: Reconciler) {
    this.ipam = ipam;
    this.endpoints = endpoints;
    this.reconciler = reconciler;
  }

  async join(machine: Machine): Promise<void> {
    const sentAtMs = systemClock.monotonicMs();
    await this.ipam.joined(sentAtMs, { epoch: machine.epoch, reclaimAfterMs: 24 * 3600_000 });
  }
}

/** Containers come and go at once until all are done, or nothing moves any more. Answers what was acknowledged. */
async function churn(life: Life): Promise<{ attached: Map<string, readonly Ip[]>; detached: Set<string> }> {
  const attached = new Map<string, readonly Ip[]>();
  const detached = new Set<string>();
  const add = async (id: string) => {
    const { addresses } = await life.endpoints.attach(request(id));
    attached.set(
      id,
      addresses.map(({ ip }) => ip),
    );
  };
  const remove = async (id: string) => {
    await life.endpoints.detach(request(id));
    detached.add(id);
  };
  const work = Promise.all([remove("c0"), add("c1"), add("c2").then(() => remove("c2")), add("c3")]);
  let moved = true;
  const done = work.then(() => false);
  while (moved) {
    const before = `${attached.size} ${detached.size} ${life.ipam.leases().length}`;
    const waited = await Promise.race([done, settle()]);
    moved = waited && before !== `${attached.size} ${detached.size} ${life.ipam.leases().length}`;
  }
  return { attached, detached };
}

/** Long enough for everything in memory that is under way, short enough to die often. */
async function settle(): Promise<boolean> {
  for (let turn = 0; turn < 60; turn++) await new Promise((resolve) => setImmediate(resolve));
  return true;
}

test("whenever it dies, what was acknowledged stands, nothing is doubled, and DEL leaves nothing", async () => {
  let deaths = 0;
  for (let steps = 0; ; steps++) {
    const machine = await Machine.make();
    const before = await Life.begin(machine);
    await before.join(machine);
    await before.endpoints.attach(request("c0"));
    before.ipam.stop();
    await before.reconciler.stop();

    const dying = await Life.begin(machine, steps);
    const { attached, detached } = await churn(dying);
    const survived = attached.size === 3 && detached.size === 2;
    dying.ipam.stop();

    const next = await Life.begin(machine);
    await next.join(machine);
    expect(await next.endpoints.detachVoid()).toEqual([]);
    await next.ipam.tick();
    for (const [id, ips] of attached) {
      if (id === "c2") continue;
      expect(
        next.ipam.leasesOf(request(id)).map(({ ip }) => ip),
        `${id} after ${steps} steps`,
      ).toEqual(ips);
      await next.endpoints.check(request(id));
    }
    const known = new Set(next.endpoints.list().map((endpoint) => endpoint.request.containerId));
    for (const { owner } of next.ipam.leases()) expect(known).toContain(owner.containerId);
    if (detached.has("c0")) expect(known).not.toContain("c0");

    const again = await Promise.all(containers.map((id) => next.endpoints.attach(request(id))));
    const ips = again.flatMap(({ addresses }) => addresses.map(({ ip }) => ip));
    expect(new Set(ips).size).toBe(containers.length);
    for (const id of containers) await next.endpoints.detach(request(id));
    await next.reconciler.stop();
    next.ipam.stop();
    expect([next.ipam.leases(), next.endpoints.list()]).toEqual([[], []]);
    expect((await machine.kernel.routes({ protocol: 72 })).map(({ to }) => to)).toEqual([]);
    expect((await machine.kernel.links()).map(({ name }) => name)).toEqual(["lo"]);
    if (survived) break;
    deaths++;
  }
  expect(deaths).toBeGreaterThan(20);
});
