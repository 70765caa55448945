/** A node whose term ends while it is at work: no endpoint keeps an address that another node may get. */
import { beforeEach, expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import type { ServerWelcome } from "../../control/index.ts";
import { type NetworkRecord, NodeIpam, PoolAuthority, storeLeaseJournal } from "../../ipam/index.ts";
import { MemoryKernel } from "../../kernel/index.ts";
import { Reconciler } from "../../overlay/index.ts";
import { type AttachRequest, type EndpointLinks, EndpointService } from "../../plugins/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { Term } from "./term.ts";

const netns = "/run/netns/c1";
const request: AttachRequest = {
  containerId: "c1",
  ifname: "eth0",
  network: "web",
  origin: { plugin: "cni", name: "web" },
  form: { kind: "interface", netns },
  addresses: [],
};
const reclaimAfterMs = 24 * 3600_000;

let clock: ManualClock;
let pools: PoolAuthority;
let journal: MemoryStore;
let kernel: MemoryKernel;
let ipam: NodeIpam;
let endpoints: EndpointService;
let term: Term;
let relinquished: number[];
let relinquish: (epoch: number) => Promise<void>;
/** What the kernel waits for before it does anything, and what it does then. */
let gate: { attach: Promise<void>; detach: () => Promise<void> };

beforeEach(async () => {
  clock = new ManualClock();
  pools = new PoolAuthority(new MemoryStore({ clock }), clock);
  await pools.createNetwork({ name: "web", pools: [{ cidr: "10.9.0.0/24" }] });
  journal = new MemoryStore({ clock });
  kernel = new MemoryKernel();
  kernel.addNetns(netns);
  relinquished = [];
  relinquish = async (epoch) => void relinquished.push(epoch);
  gate = { attach: Promise.resolve(), detach: async () => undefined };
  const networks = new Map<string, NetworkRecord>((await pools.networks()).map((one) => [one.name, one]));
  ipam = await NodeIpam.open({
    journal: storeLeaseJournal(journal, "leases/"),
    source: pools.asBlockSource("n1", () => ipam.epoch() ?? 0, networks),
    clock,
    bootClock: { now: () => ({ bootId: "b", steadyMs: clock.monotonicMs(), uptimeMs: clock.monotonicMs() }) },
  });
  const reconciler = new Reconciler({
    kernel,
    journal: { load: async () => undefined, save: async () => undefined },
    clock,
  });
  const links: EndpointLinks = {
    attach: async (spec) => {
      await gate.attach;
      return reconciler.attach(spec);
    },
    detach: async (target) => {
      await gate.detach();
      await reconciler.detach(target);
    },
    check: (spec) => reconciler.check(spec),
  };
  endpoints = await EndpointService.open({ addresses: ipam, links, store: journal, clock, mtu: () => 1450 });
  term = await Term.open({
    journal,
    clock,
    ipam,
    endpoints,
    relinquish: (epoch) => relinquish(epoch),
    log: { error: () => undefined, warn: () => undefined } as never,
  });
});

async function welcome(storeId = "s1", heldEpoch = term.held?.epoch): Promise<ServerWelcome> {
  const { epoch } = await pools.joinNode("n1", heldEpoch);
  const sentAtMs = clock.monotonicMs();
  return {
    server: "s",
    version: "t",
    datacenter: "dc1",
    storeId,
    revision: 1,
    takenOver: false,
    epoch,
    reclaimAfterMs,
    sentAtMs,
  };
}

/** Welcomed into a term of which the journal knows nothing, as after `heddle node forget`. */
async function joinsAnew(): Promise<{ readonly earlier: number; readonly joining: Promise<void> }> {
  const earlier = ipam.epoch() ?? 0;
  await pools.forgetNode("n1");
  return { earlier, joining: term.joined(await welcome()) };
}

const attachedAddresses = () => endpoints.links().flatMap(({ addresses }) => addresses);
const kernelRoutes = async () => (await kernel.routes({ protocol: 72 })).map(({ to }) => to);

test("a new term detaches the endpoints of the old one, and gives its blocks back after they have rested", async () => {
  await term.joined(await welcome());
  await endpoints.attach(request);
  const { earlier, joining } = await joinsAnew();
  await joining;
  expect([attachedAddresses(), await kernelRoutes(), relinquished]).toEqual([[], [], []]);
  await clock.advance(30_000);
  expect(relinquished).toEqual([earlier]);
});

test("an attach that the kernel holds up while the term ends is not answered with a void address, and leaves nothing", async () => {
  await term.joined(await welcome());
  let release = () => {};
  gate.attach = new Promise((resolve) => {
    release = resolve;
  });
  const attach = endpoints.attach(request);
  const answer = attach.then(
    () => "answered",
    (error: { code: string }) => error.code,
  );
  await clock.advance(0);
  const { joining } = await joinsAnew();
  await clock.advance(100);
  release();
  await clock.advance(100);
  await joining;
  expect(await answer).toBe("ENDPOINT_LEASE_LOST");
  expect([attachedAddresses(), await kernelRoutes(), endpoints.list()]).toEqual([[], [], []]);
});

test("an attach that outlives every deadline is detached in the end, and the blocks are kept until then", async () => {
  await term.joined(await welcome());
  let release = () => {};
  gate.attach = new Promise((resolve) => {
    release = resolve;
  });
  endpoints.attach(request).catch(() => undefined);
  await clock.advance(0);
  const { earlier, joining } = await joinsAnew();
  await clock.advance(60_000);
  await joining;
  expect(relinquished).toEqual([]);
  release();
  await clock.advance(10_000);
  expect([attachedAddresses(), await kernelRoutes(), endpoints.list()]).toEqual([[], [], []]);
  await clock.advance(30_000);
  expect(relinquished).toEqual([earlier]);
});

test("a detach that the kernel refuses is tried again, and the blocks are kept until it is done", async () => {
  await term.joined(await welcome());
  await endpoints.attach(request);
  gate.detach = () => Promise.reject(new Error("busy"));
  const { earlier, joining } = await joinsAnew();
  await joining;
  await clock.advance(120_000);
  expect([(await kernelRoutes()).length, relinquished]).toEqual([1, []]);
  gate.detach = async () => undefined;
  await clock.advance(32_000);
  expect([await kernelRoutes(), relinquished]).toEqual([[], [earlier]]);
});

test("blocks that no server could be told of are given back later", async () => {
  await term.joined(await welcome());
  relinquish = () => Promise.reject(new Error("no server"));
  const { earlier, joining } = await joinsAnew();
  await joining;
  await clock.advance(45_000);
  relinquish = async (epoch) => void relinquished.push(epoch);
  await clock.advance(30_000);
  expect(relinquished).toEqual([earlier]);
});

test("nothing is allocated in the new term before the old one is cleared away", async () => {
  await term.joined(await welcome());
  await endpoints.attach(request);
  let release = () => {};
  gate.detach = () => new Promise((resolve) => (release = resolve));
  const { joining } = await joinsAnew();
  await clock.advance(0);
  expect(ipam.fenceStatus().kind).toBe("fenced");
  release();
  await joining;
  expect(ipam.fenceStatus().kind).toBe("open");
});

test("the address plan of another store voids everything, and none of its epochs is ever held against this one", async () => {
  await term.joined(await welcome());
  await endpoints.attach(request);
  const first = await welcome("s2");
  await term.joined(first);
  expect(attachedAddresses()).toEqual([]);
  expect(term.held).toEqual({ storeId: "s2", epoch: first.epoch });
  await clock.advance(60_000);
  expect(relinquished).toEqual([]);
});

test("welcomes that overlap, of two stores, end in the later one with the epoch that belongs to it", async () => {
  await term.joined(await welcome());
  const [a, b] = [await welcome("s2"), { ...(await welcome("s3")), epoch: 977 }];
  await Promise.all([term.joined(a), term.joined(b)]);
  expect(term.held).toEqual({ storeId: "s3", epoch: 977 });
  expect(
    await Term.open({ journal, clock, ipam, endpoints, relinquish, log: {} as never }).then(
      ({ held }) => held,
    ),
  ).toEqual({
    storeId: "s3",
    epoch: 977,
  });
});

test("a detach by name while the term ends is no error", async () => {
  await term.joined(await welcome());
  await endpoints.attach({ ...request, addresses: [parseIp("10.9.0.77")] });
  const { joining } = await joinsAnew();
  await Promise.all([joining, endpoints.detach(request)]);
  expect([attachedAddresses(), endpoints.list()]).toEqual([[], []]);
});
