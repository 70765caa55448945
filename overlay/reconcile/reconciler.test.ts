import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { type Cidr, hostCidr, parseCidr, parseIp, parseMac, parseVni } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { type Kernel, type KernelOperation, MemoryKernel, spreadMetric } from "../../kernel/index.ts";
import type { NodeDesired } from "../desired.ts";
import type { EndpointSpec } from "../endpoint/index.ts";
import type { HostState } from "../host/host-state.ts";
import { hostInterfaceName } from "../row/ownership.ts";
import { Reconciler, type ReconcilerLimits } from "./reconciler.ts";

const desired: NodeDesired = {
  self: {
    name: "n1",
    underlay: [parseIp("192.0.2.1")],
    vtepMac: parseMac("02:00:00:00:01:00"),
    vni: parseVni(7272),
    vxlanPort: 4789,
    zone: "z",
  },
  networks: [
    {
      name: "web",
      pools: [parseCidr("10.1.0.0/16")],
      backend: "vxlan",
      masquerade: true,
      policy: "isolated",
    },
  ],
  remotes: [
    {
      name: "n2",
      underlay: [parseIp("192.0.2.2")],
      vtepMac: parseMac("02:00:00:00:02:00"),
      vxlanPort: 4789,
      zone: "z",
      prefixes: [{ network: "web", cidr: parseCidr("10.1.2.0/26") }],
    },
  ],
  endpoints: [],
};

function specOf(id: string): EndpointSpec {
  return {
    containerId: id,
    ifname: "eth0",
    netns: `/run/netns/${id}`,
    hostIfname: hostInterfaceName(id, "eth0"),
    mac: parseMac("02:00:00:00:aa:01"),
    hostMac: parseMac("02:00:00:00:aa:02"),
    mtu: 1450,
    addresses: [parseIp("10.1.0.5")],
  };
}

interface Bench {
  readonly clock: ManualClock;
  readonly kernel: MemoryKernel;
  readonly saved: HostState[];
  readonly reconciler: Reconciler;
}

async function bench(limits: Partial<ReconcilerLimits> = {}): Promise<Bench> {
  const clock = new ManualClock();
  const kernel = new MemoryKernel({ clock });
  kernel.addDevice("eth0");
  await kernel.apply([
    { op: "address.put", link: "eth0", ip: parseIp("192.0.2.1"), prefix: 24 },
    { op: "sysctl.put", path: ["ipv4", "ip_forward"], value: "0" },
  ]);
  const saved: HostState[] = [];
  const journal = {
    load: async () => saved.at(-1),
    save: async (state: HostState) => void saved.push(state),
  };
  return { clock, kernel, saved, reconciler: new Reconciler({ kernel, journal, clock, limits }) };
}

const heddleTable = { family: "inet", name: "heddle" };

async function withoutHandles(kernel: Kernel): Promise<string> {
  return JSON.stringify((await kernel.nftTable("inet", "heddle")) ?? [], (key, value) =>
    key === "handle" ? undefined : value,
  );
}

const forgetful = { load: async () => undefined, save: async () => {} };

/** A kernel whose n-th `apply` from now waits until it is let through. */
function gateApply(
  kernel: MemoryKernel,
  nth: number,
): { kernel: Kernel; reached: Promise<void>; open(): void } {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let calls = 0;
  const apply: Kernel["apply"] = async (operations) => {
    if (++calls === nth) {
      reached.resolve();
      await opened.promise;
    }
    return await kernel.apply(operations);
  };
  const gated = new Proxy<Kernel>(kernel, {
    get: (_target, name) => {
      const member = name === "apply" ? apply : Reflect.get(kernel, name);
      return typeof member === "function" ? member.bind(kernel) : member;
    },
  });
  return { kernel: gated, reached: reached.promise, open: opened.resolve };
}

/** Everything in the namespace but indexes and handles. */
async function snapshot(kernel: MemoryKernel): Promise<unknown> {
  return {
    links: (await kernel.links()).map(({ name, mac, mtu, up, alias }) => ({ name, mac, mtu, up, alias })),
    addresses: await kernel.addresses(),
    routes: await kernel.routes(),
    neighbours: await kernel.neighbours(),
    forward: await kernel.sysctl(["ipv4", "ip_forward"]),
    table: await kernel.nftTable("inet", "heddle"),
  };
}

function routeOf(to: Cidr): KernelOperation & { readonly op: "route.put" | "route.delete" } {
  return {
    op: "route.delete",
    route: { to, type: "unicast", protocol: 72, table: 254, metric: spreadMetric(to) ?? 0 },
  };
}

async function hasRoute(kernel: MemoryKernel, to: string): Promise<boolean> {
  return (await kernel.routes({ protocol: 72 })).some((route) => route.to === to);
}

describe("Reconciler", () => {
  it("does nothing before the first desired state", async () => {
    const { clock, kernel, reconciler } = await bench();
    const before = await snapshot(kernel);
    reconciler.start();
    await clock.advance(120_000);
    expect((await reconciler.reconcileNow()).done).toEqual([]);
    expect(await snapshot(kernel)).toEqual(before);
    await reconciler.stop();
  });

  it("brings the kernel to the desired state, and then rests", async () => {
    const { clock, kernel, reconciler } = await bench();
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(200);
    expect(await hasRoute(kernel, "10.1.2.0/26")).toBe(true);
    expect(await kernel.nftTable("inet", "heddle")).toBeDefined();
    const { passes } = reconciler.status;
    await clock.advance(10_000);
    expect(reconciler.status).toMatchObject({ passes, problems: [] });
    expect(await reconciler.reconcileNow()).toMatchObject({ done: [], rulesetReplaced: false });
    await reconciler.stop();
  });

  it.each<[string, KernelOperation]>([
    ["route", routeOf(parseCidr("10.1.2.0/26"))],
    [
      "neighbour",
      { op: "neighbour.delete", neighbour: { link: "heddle0", ip: parseIp("192.0.2.2"), permanent: true } },
    ],
    [
      "FDB entry",
      { op: "fdb.delete", entry: { link: "heddle0", mac: parseMac("02:00:00:00:02:00"), permanent: true } },
    ],
    ["device", { op: "link.delete", link: "heddle0" }],
    ["device state", { op: "link.change", link: "heddle0", change: { up: false } }],
    ["gateway address", { op: "address.delete", link: "lo", ip: parseIp("169.254.1.1"), prefix: 32 }],
  ])("repairs a lost %s within 100 ms", async (_what, loss) => {
    const { clock, kernel, reconciler } = await bench();
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(1000);
    await kernel.apply([loss]);
    const broken = await reconciler.dryRun();
    expect(broken.operations.length).toBeGreaterThan(0);
    await clock.advance(100);
    expect((await reconciler.dryRun()).operations).toEqual([]);
    await reconciler.stop();
  });

  it("repairs what no notification tells of by the full dump", async () => {
    const { clock, kernel, reconciler } = await bench();
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(1000);
    // What the kernel's own door did is not told.
    await kernel.nftApply([{ delete: { table: { family: "inet", name: "heddle" } } }]);
    await clock.advance(60_000);
    expect(await kernel.nftTable("inet", "heddle")).toBeDefined();
    await reconciler.stop();
  });

  it.each([
    ["its table", { delete: { table: heddleTable } }],
    ["a chain's rules", { flush: { chain: { family: "inet", table: "heddle", name: "antispoof" } } }],
    ["everybody's tables", { flush: { ruleset: null } }],
  ])("repairs %s taken by somebody within 100 ms", async (_what, command) => {
    const { clock, kernel, reconciler } = await bench();
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(1000);
    const somebody = await kernel.inside("/proc/1/ns/net");
    const before = await withoutHandles(kernel);
    await somebody.nftApply([command]);
    expect(await withoutHandles(kernel)).not.toEqual(before);
    await clock.advance(100);
    expect(await withoutHandles(kernel)).toEqual(before);
    await reconciler.stop();
  });

  it("looks at the table when somebody changed it, not when it did so itself or another table changed", async () => {
    const { clock, kernel, reconciler } = await bench();
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(1000);
    const read = vi.spyOn(kernel, "nftTable");
    const loads = vi.spyOn(kernel, "nftApply");
    const counts = () => [
      read.mock.calls.filter(([family]) => family === "inet").length,
      loads.mock.calls.length,
    ];
    reconciler.setDesired({ ...desired, networks: [] });
    await clock.advance(1000);
    const somebody = await kernel.inside("/proc/1/ns/net");
    await somebody.nftApply([{ add: { table: { family: "ip", name: "heddle" } } }]);
    await clock.advance(1000);
    expect(counts()).toEqual([0, 1]);
    await somebody.nftApply([{ add: { chain: { family: "inet", table: "heddle", name: "x" } } }]);
    await clock.advance(1000);
    expect(counts()).toEqual([1, 2]);
    await reconciler.stop();
  });

  it("does not fight for its table without end", async () => {
    const { clock, kernel, reconciler } = await bench();
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(1000);
    const loads = vi.spyOn(kernel, "nftApply");
    const somebody = await kernel.inside("/proc/1/ns/net");
    for (let i = 0; i < 1200; i++) {
      await somebody.nftApply([{ add: { table: heddleTable } }, { delete: { table: heddleTable } }]);
      await clock.advance(50);
    }
    expect(loads.mock.calls.length).toBeLessThan(400);
    await reconciler.stop();
  });

  it("repairs a setting within 100 ms", async () => {
    const { clock, kernel, reconciler } = await bench();
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(1000);
    await kernel.apply([{ op: "sysctl.put", path: ["ipv4", "ip_forward"], value: "0" }]);
    await clock.advance(100);
    expect(await kernel.sysctl(["ipv4", "ip_forward"])).toBe("1");
    await reconciler.stop();
  });

  it("looks at everything after an overrun", async () => {
    const { clock, kernel, reconciler } = await bench();
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(1000);
    await kernel.nftApply([{ delete: { table: { family: "inet", name: "heddle" } } }]);
    kernel.overrun();
    await clock.advance(100);
    expect(await kernel.nftTable("inet", "heddle")).toBeDefined();
    await reconciler.stop();
  });

  it("reports what Linux refuses, retries, and forgets the problem when it is over", async () => {
    const { clock, kernel, reconciler } = await bench();
    reconciler.start();
    reconciler.setDesired(desired);
    kernel.failAt(2, "ENOMEM");
    await clock.advance(20);
    expect(reconciler.status.problems.map(({ code }) => code)).toContain("KERNEL_REFUSED");
    await clock.advance(1000);
    expect(reconciler.status.problems).toEqual([]);
    expect(await hasRoute(kernel, "10.1.2.0/26")).toBe(true);
    await reconciler.stop();
  });

  it("says once which pass it could not do when the journal fails, and goes on", async () => {
    const { kernel, clock } = await bench();
    let isBroken = true;
    const journal = {
      load: async () => undefined,
      save: async () => {
        if (isBroken) throw (await kernel.apply([{ op: "link.change", link: 99, change: {} }]))[0];
      },
    };
    const reconciler = new Reconciler({ kernel, journal, clock });
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(50);
    expect(reconciler.status.problems).toMatchObject([{ what: "reconciliation" }]);
    expect(await kernel.sysctl(["ipv4", "ip_forward"])).toBe("0");
    isBroken = false;
    await clock.advance(1000);
    expect(reconciler.status.problems).toEqual([]);
    await reconciler.stop();
  });

  it("bounds the problems that it keeps and counts all", async () => {
    const { reconciler } = await bench({ problemsMax: 2 });
    const endpoints = ["a", "b", "c"].map((id) => ({ ...specOf(id), gateways: [] }));
    reconciler.setDesired({ ...desired, endpoints });
    await reconciler.reconcileNow();
    expect(reconciler.status.problems).toHaveLength(2);
    expect(reconciler.status.problemCount).toBe(3);
  });
});

describe("Reconciler.purge", () => {
  it("leaves the host as it was before, endpoints included", async () => {
    const { kernel, reconciler } = await bench();
    const before = await snapshot(kernel);
    kernel.addNetns("/run/netns/c1");
    reconciler.setDesired({ ...desired, endpoints: [await reconciler.attach(specOf("c1"))] });
    await reconciler.reconcileNow();
    expect(await snapshot(kernel)).not.toEqual(before);
    const words = (await reconciler.dryPurge()).words;
    expect(await reconciler.purge()).toMatchObject({ problems: [], words });
    expect(await snapshot(kernel)).toEqual(before);
    expect((await reconciler.dryPurge()).operations).toEqual([]);
  });

  it("keeps a gateway address that was there before", async () => {
    const { kernel, reconciler } = await bench();
    await kernel.apply([
      { op: "address.put", link: "lo", ip: parseIp("169.254.1.1"), prefix: 32, scope: 253 },
    ]);
    const before = await snapshot(kernel);
    reconciler.setDesired(desired);
    await reconciler.reconcileNow();
    await reconciler.purge();
    expect(await snapshot(kernel)).toEqual(before);
  });

  it("restores settings that an earlier process changed", async () => {
    const { kernel, clock, saved, reconciler } = await bench();
    reconciler.setDesired(desired);
    await reconciler.reconcileNow();
    const journal = { load: async () => saved.at(-1), save: async () => {} };
    await new Reconciler({ kernel, journal, clock }).purge();
    expect(await kernel.sysctl(["ipv4", "ip_forward"])).toBe("0");
  });

  it("leaves forwarding on where Docker's chain says that an engine relies on it by now", async () => {
    const { kernel, reconciler } = await bench();
    reconciler.setDesired(desired);
    await reconciler.reconcileNow();
    const table = { family: "ip", name: "filter" };
    const chain = { family: "ip", table: "filter", name: "DOCKER-USER" };
    await kernel.nftApply([{ add: { table } }, { add: { chain } }]);
    expect((await reconciler.purge()).problems).toEqual([]);
    expect(await kernel.sysctl(["ipv4", "ip_forward"])).toBe("1");
  });

  it("goes on after a failure and answers what is left", async () => {
    const { kernel, reconciler } = await bench();
    reconciler.setDesired(desired);
    await reconciler.reconcileNow();
    kernel.failAt(1, "EBUSY");
    const { problems } = await reconciler.purge();
    expect(problems).toHaveLength(1);
    expect(await kernel.link("heddle0")).toBeUndefined();
  });
});

describe("Reconciler.attach and detach", () => {
  it("keep a new container although the desired state does not name it yet", async () => {
    const { clock, kernel, reconciler } = await bench();
    kernel.addNetns("/run/netns/c1");
    reconciler.start();
    reconciler.setDesired(desired);
    await reconciler.attach(specOf("c1"));
    reconciler.setDesired(desired);
    await clock.advance(300_000);
    expect(await hasRoute(kernel, "10.1.0.5/32")).toBe(true);
    await reconciler.stop();
  });

  it("do not let a stale desired state bring a withdrawn address back", async () => {
    const { clock, kernel, reconciler } = await bench();
    kernel.addNetns("/run/netns/c1");
    reconciler.start();
    const stale = { ...desired, endpoints: [await reconciler.attach(specOf("c1"))] };
    reconciler.setDesired(stale);
    await clock.advance(100);
    await reconciler.detach(specOf("c1"));
    for (const waitMs of [100, 1000]) {
      reconciler.setDesired(stale);
      await clock.advance(waitMs);
      expect(await hasRoute(kernel, "10.1.0.5/32")).toBe(false);
      expect(reconciler.status.problems).toEqual([]);
    }
    await reconciler.stop();
  });

  it("make the address unreachable at once and delete the link in a quiet moment", async () => {
    const { clock, kernel, reconciler } = await bench();
    kernel.addNetns("/run/netns/c1");
    await reconciler.attach(specOf("c1"));
    await reconciler.detach(specOf("c1"));
    expect(await hasRoute(kernel, "10.1.0.5/32")).toBe(false);
    expect(await kernel.link(specOf("c1").hostIfname)).toBeDefined();
    await clock.advance(250);
    expect(await kernel.link(specOf("c1").hostIfname)).toBeUndefined();
  });

  it("delete the links that wait in one list", async () => {
    const { clock, kernel, reconciler } = await bench();
    for (const id of ["a", "b", "c"]) {
      kernel.addNetns(`/run/netns/${id}`);
      await reconciler.attach(specOf(id));
    }
    for (const id of ["a", "b", "c"]) await reconciler.detach(specOf(id));
    const applied = vi.spyOn(kernel, "apply");
    await clock.advance(250);
    expect(applied.mock.calls.map(([list]) => list.map(({ op }) => op))).toEqual([
      ["link.delete", "link.delete", "link.delete"],
    ]);
    expect((await kernel.links()).map(({ name }) => name)).toEqual(["lo", "eth0"]);
  });

  it("attach again at once after a detach, under the same name or another container id", async () => {
    const { kernel, reconciler } = await bench();
    kernel.addNetns("/run/netns/c1");
    await reconciler.attach(specOf("c1"));
    await reconciler.detach(specOf("c1"));
    await reconciler.attach(specOf("c1"));
    await reconciler.check(specOf("c1"));
    await reconciler.detach(specOf("c1"));
    const other = { ...specOf("c1"), containerId: "c9", hostIfname: hostInterfaceName("c9", "eth0") };
    await reconciler.attach(other);
    await reconciler.check(other);
  });

  it("delete a host end that nobody claims after the grace, not before", async () => {
    const { clock, kernel, reconciler } = await bench();
    kernel.addNetns("/run/netns/c1");
    const lost = new Reconciler({ kernel, clock, journal: forgetful });
    await lost.attach(specOf("c1"));
    reconciler.start();
    reconciler.setDesired(desired);
    await clock.advance(29_000);
    expect(await kernel.link(specOf("c1").hostIfname)).toBeDefined();
    await clock.advance(61_000);
    expect(await kernel.link(specOf("c1").hostIfname)).toBeUndefined();
    await reconciler.stop();
  });

  it("detach waits for a plan that is being applied, so that it cannot put the route back", async () => {
    const { clock, kernel, reconciler: earlier } = await bench();
    kernel.addNetns("/run/netns/c1");
    const endpoint = await earlier.attach(specOf("c1"));
    const to = hostCidr(parseIp("10.1.0.5"));
    await kernel.apply([{ op: "route.delete", route: { to, type: "unicast", protocol: 72, table: 254 } }]);
    const gate = gateApply(kernel, 1);
    const reconciler = new Reconciler({ kernel: gate.kernel, clock, journal: forgetful });
    reconciler.setDesired({ ...desired, endpoints: [endpoint] });
    const pass = reconciler.reconcileNow();
    await gate.reached;
    const detached = reconciler.detach(specOf("c1"));
    await clock.advance(1);
    gate.open();
    await Promise.all([pass, detached]);
    expect(await hasRoute(kernel, "10.1.0.5/32")).toBe(false);
  });

  it("attach keeps its link from a reconciliation that runs before it is done", async () => {
    const { clock, kernel } = await bench();
    kernel.addNetns("/run/netns/c1");
    const gate = gateApply(kernel, 2);
    const limits = { orphanGraceMs: 0 };
    const reconciler = new Reconciler({ kernel: gate.kernel, clock, journal: forgetful, limits });
    reconciler.setDesired(desired);
    const attached = reconciler.attach(specOf("c1"));
    await gate.reached;
    await reconciler.reconcileNow();
    gate.open();
    await attached;
    await reconciler.check(specOf("c1"));
  });

  it("refuse more than their limit instead of queueing without end", async () => {
    const { kernel, reconciler } = await bench({ attachmentsMax: 2 });
    for (const id of ["a", "b", "c"]) kernel.addNetns(`/run/netns/${id}`);
    const all = await Promise.allSettled(["a", "b", "c"].map((id) => reconciler.attach(specOf(id))));
    expect(all.map((result) => result.status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    expect(all[2]).toMatchObject({ reason: { code: "OVERLAY_QUEUE_FULL" } });
  });

  it("end in what was asked last, whatever runs beside them", async () => {
    const step = fc.record({
      id: fc.constantFrom("a", "b", "c"),
      what: fc.constantFrom("attach", "detach", "reconcile", "desire", "wait"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const { clock, kernel, reconciler } = await bench();
        const ids = ["a", "b", "c"];
        const addressOf = (id: string) => parseIp(`10.1.0.${10 + ids.indexOf(id)}`);
        for (const id of ids) kernel.addNetns(`/run/netns/${id}`);
        reconciler.start();
        reconciler.setDesired(desired);
        const last = new Map<string, boolean>();
        const running: Promise<unknown>[] = [];
        for (const { id, what } of steps) {
          const spec = { ...specOf(id), addresses: [addressOf(id)] };
          if (what === "attach") running.push(reconciler.attach(spec));
          else if (what === "detach") running.push(reconciler.detach(spec));
          else if (what === "reconcile") running.push(reconciler.reconcileNow());
          else if (what === "desire") reconciler.setDesired({ ...desired });
          else await clock.advance(50);
          if (what === "attach" || what === "detach") last.set(id, what === "attach");
        }
        await Promise.all(running);
        await clock.advance(100_000);
        for (const id of ids) {
          const isThere = last.get(id) ?? false;
          expect(await hasRoute(kernel, hostCidr(addressOf(id)))).toBe(isThere);
          expect((await kernel.link(specOf(id).hostIfname)) !== undefined).toBe(isThere);
        }
        expect((await reconciler.dryRun()).operations).toEqual([]);
        await reconciler.stop();
      }),
      { numRuns: 100 },
    );
  });
});
