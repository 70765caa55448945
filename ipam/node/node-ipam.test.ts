import { beforeEach, describe, expect, test } from "vitest";
import { cidrContains, type Ip, parseCidr, parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { MemoryStore } from "../../store/index.ts";
import {
  type AddressLease,
  type BlockSource,
  type LeaseJournal,
  type NetworkRecord,
  NodeIpam,
  PoolAuthority,
  storeLeaseJournal,
} from "../index.ts";

const hourMs = 3600 * 1000;
let clock: ManualClock;
let authority: PoolAuthority;
let disk: MemoryStore;
let views: Map<string, NetworkRecord>;
let ipam: NodeIpam;
let isCutOff: boolean;
let calls: string[];
let journalFails: boolean;
let fencedLeases: (readonly AddressLease[])[];
let bootId: string;

beforeEach(async () => {
  clock = new ManualClock();
  authority = new PoolAuthority(new MemoryStore({ clock }), clock);
  disk = new MemoryStore({ clock });
  views = new Map();
  isCutOff = false;
  journalFails = false;
  calls = [];
  fencedLeases = [];
  bootId = "boot 1";
  await network("web", "10.9.0.0/24", 28);
  await network("tiny", "10.8.0.0/30");
  ipam = await open();
  await join();
});

async function network(name: string, cidr: string, blockPrefix?: number, more: readonly string[] = []) {
  const pools = [
    { cidr, ...(blockPrefix ? { blockPrefix } : {}) },
    ...more.map((other) => ({ cidr: other })),
  ];
  views.set(name, await authority.createNetwork({ name, pools }));
}

function open(): Promise<NodeIpam> {
  const source = () => authority.asBlockSource("n1", () => ipam.epoch() ?? 0, views);
  const call = async <T>(name: string, ask: () => Promise<T>): Promise<T> => {
    calls.push(name);
    if (isCutOff) throw new FabricError("STORE_UNAVAILABLE" as never, "no server");
    return ask();
  };
  const checked: BlockSource = {
    network: (name) => views.get(name),
    claimBlock: (request) => call("claimBlock", () => source().claimBlock(request)),
    releaseBlock: (claim) => call("releaseBlock", () => source().releaseBlock(claim)),
    claimStatic: (request) => call("claimStatic", () => source().claimStatic(request)),
    releaseStatic: (claim) => call("releaseStatic", () => source().releaseStatic(claim)),
  };
  const journal = storeLeaseJournal(disk, "leases/");
  const failing: LeaseJournal = {
    load: () => journal.load(),
    commit: (changes) => (journalFails ? Promise.reject(new Error("EIO")) : journal.commit(changes)),
  };
  return NodeIpam.open({
    journal: failing,
    source: checked,
    clock,
    bootClock: { now: () => ({ bootId, steadyMs: clock.monotonicMs(), uptimeMs: clock.monotonicMs() }) },
    onFenced: (leases) => fencedLeases.push(leases),
  });
}

async function join(): Promise<readonly AddressLease[]> {
  return ipam.joined(clock.monotonicMs(), await authority.joinNode("n1", ipam.epoch()));
}

async function restart(): Promise<void> {
  ipam.stop();
  ipam = await open();
}

const ownerOf = (id: string) => ({ containerId: id, ifname: "eth0" });
const ask = (id: string, address?: string, name = "web") =>
  ipam.allocate({ network: name, owner: ownerOf(id), ...(address ? { addresses: [parseIp(address)] } : {}) });
const code = (expected: string) => expect.objectContaining({ code: expected });
const only = (leases: readonly AddressLease[]): Ip => {
  const [lease] = leases;
  if (!lease || leases.length > 1) throw new Error(`${leases.length} leases`);
  return lease.ip;
};

test("allocate() asks the servers for a block once, then for nothing", async () => {
  for (let i = 0; i < 10; i++) await ask(`c${i}`);
  expect(calls).toEqual(["claimBlock"]);
});

test("allocate() within a part of a pool takes of blocks in it only, and without a server once it has one", async () => {
  await ask("elsewhere");
  const within = (id: string, range: string) =>
    ipam.allocate({ network: "web", owner: ownerOf(id), within: parseCidr(range) });
  const ips = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => only(await within(`c${i}`, "10.9.0.128/27"))),
  );
  isCutOff = true;
  for (let i = 10; i < 14; i++) ips.push(only(await within(`c${i}`, "10.9.0.128/27")));
  expect(new Set(ips).size).toBe(14);
  expect(ips.every((ip) => cidrContains(parseCidr("10.9.0.128/27"), ip))).toBe(true);
  expect(calls).toEqual(["claimBlock", "claimBlock"]);
  await expect(within("c99", "10.10.0.0/24")).rejects.toEqual(code("IPAM_REQUEST_INVALID"));
});

test("allocate() at the same time for many containers gives each its own address", async () => {
  const ips = await Promise.all(Array.from({ length: 100 }, async (_, i) => only(await ask(`c${i}`))));
  expect(new Set(ips).size).toBe(100);
});

test("allocate() again for the same owner answers the same lease, also after a restart", async () => {
  const first = await ask("c1");
  expect(await ask("c1")).toEqual(first);
  await restart();
  expect(await ask("c1")).toEqual(first);
  expect(ipam.leasesOf(ownerOf("c1"))).toEqual(first);
});

test("allocate() gives one address of each family", async () => {
  await network("dual", "10.7.0.0/24", 28, ["fd00::/64"]);
  const leases = await ask("c1", undefined, "dual");
  expect(leases.map((lease) => lease.pool)).toEqual(["10.7.0.0/24", "fd00::/64"]);
});

test("an allocation of which one family fails leaves nothing behind", async () => {
  await network("dual", "10.7.0.0/24", 28, ["fd00::/127"]);
  await ask("c1", undefined, "dual");
  await ask("c2", undefined, "dual");
  const request = { network: "dual", owner: ownerOf("c3"), addresses: [parseIp("10.7.0.200")] };
  await expect(ipam.allocate(request)).rejects.toEqual(code("IPAM_POOL_EXHAUSTED"));
  expect(ipam.leases()).toHaveLength(4);
  expect((await authority.poolUse("dual"))[0]?.statics).toEqual([]);
});

test("a pool of four addresses hands out two, then says its name, size and use", async () => {
  await ask("c1", undefined, "tiny");
  await ipam.assertCanAllocate("tiny");
  await ask("c2", undefined, "tiny");
  await expect(ask("c3", undefined, "tiny")).rejects.toThrow(
    /pool 10.8.0.0\/30 is full \(2 addresses .*2 in use/,
  );
  await expect(ipam.assertCanAllocate("tiny")).rejects.toEqual(code("IPAM_POOL_EXHAUSTED"));
});

test("allocate() in an unknown network says so", async () => {
  await expect(ask("c1", undefined, "nowhere")).rejects.toEqual(code("IPAM_NETWORK_NOT_FOUND"));
});

test("allocate() never hands out an address in quarantine, and does after 30 s", async () => {
  const ips = [only(await ask("c1", undefined, "tiny")), only(await ask("c2", undefined, "tiny"))];
  await ipam.release("tiny", ownerOf("c1"));
  await expect(ask("c3", undefined, "tiny")).rejects.toThrow(/1 at rest/);
  await clock.advance(29_999);
  await expect(ask("c3", undefined, "tiny")).rejects.toEqual(code("IPAM_POOL_EXHAUSTED"));
  await clock.advance(1);
  expect(only(await ask("c3", undefined, "tiny"))).toBe(ips[0]);
});

test("a quarantine starts anew after a restart", async () => {
  await ask("c1", undefined, "tiny");
  await ask("c2", undefined, "tiny");
  await ipam.release("tiny", ownerOf("c1"));
  await clock.advance(20_000);
  await restart();
  await clock.advance(29_999);
  await expect(ask("c3", undefined, "tiny")).rejects.toEqual(code("IPAM_POOL_EXHAUSTED"));
  await clock.advance(1);
  await ask("c3", undefined, "tiny");
});

test("release() of nothing answers nothing", async () => {
  expect(await ipam.release(undefined, ownerOf("nobody"))).toEqual([]);
});

test("an address is not reused while another is free", async () => {
  const seen = new Set<Ip>();
  for (let i = 0; i < 13; i++) {
    seen.add(only(await ask(`c${i}`)));
    await ipam.release("web", ownerOf(`c${i}`));
    await clock.advance(31_000);
  }
  expect(seen.size).toBe(13);
});

describe("addresses asked for by name", () => {
  test("in the node's own block are taken without the servers", async () => {
    const first = only(await ask("c1"));
    const next = first.replace(/\d+$/, (last) => String(Number(last) ^ 1));
    calls = [];
    expect(only(await ask("c2", next))).toBe(next);
    expect(calls).toEqual([]);
    await expect(ask("c3", next)).rejects.toEqual(code("IPAM_ADDRESS_IN_USE"));
    await expect(ask("c2", first)).rejects.toEqual(code("IPAM_OWNER_HAS_ADDRESS"));
  });

  test("elsewhere are claimed through the store, and given back after their quarantine", async () => {
    expect(only(await ask("c1", "10.9.0.77"))).toBe("10.9.0.77");
    await ipam.release(undefined, ownerOf("c1"));
    await clock.advance(29_000);
    expect((await authority.poolUse("web"))[0]?.statics).toHaveLength(1);
    await clock.advance(10_000);
    expect((await authority.poolUse("web"))[0]?.statics).toEqual([]);
    expect(ipam.status("web")[0]).toMatchObject({ used: 0, quarantined: 0 });
  });

  test("at rest go to the owner who had them, and to nobody else", async () => {
    await ask("c1", "10.9.0.77");
    await ipam.release(undefined, ownerOf("c1"));
    await expect(ask("c2", "10.9.0.77")).rejects.toThrow(/rests after its release/);
    expect(only(await ask("c1", "10.9.0.77"))).toBe("10.9.0.77");
  });

  test.each([
    ["10.9.0.0", "IPAM_ADDRESS_RESERVED"],
    ["10.1.0.1", "IPAM_ADDRESS_OUTSIDE"],
  ])("%s is refused with %s", async (ip, expected) => {
    await expect(ask("c1", ip)).rejects.toEqual(code(expected));
  });
});

describe("without servers", () => {
  test("allocation goes on inside of the node's blocks, also after a restart, and says why it stops", async () => {
    await ask("c0");
    isCutOff = true;
    await restart();
    const free = ipam.status("web")[0]?.free ?? 0;
    for (let i = 1; i <= free; i++) await ask(`c${i}`);
    await expect(ask("one more")).rejects.toEqual(code("IPAM_UNAVAILABLE"));
  });

  test("allocation stops 23 h after the last renewal was sent, and the agent hears of it once", async () => {
    await ask("c1");
    await clock.advance(23 * hourMs - 1);
    await ask("c2");
    await clock.advance(1);
    await expect(ask("c3")).rejects.toEqual(code("IPAM_FENCED"));
    await expect(ipam.assertCanAllocate("web")).rejects.toEqual(code("IPAM_FENCED"));
    await clock.advance(10_000);
    expect(fencedLeases.map((leases) => leases.length)).toEqual([2]);
    expect(await ipam.release("web", ownerOf("c1"))).toHaveLength(1);
  });

  test("a restart does not lengthen the time, and a reboot ends it", async () => {
    await ask("c1");
    await clock.advance(23 * hourMs - 1000);
    await restart();
    await ask("c2");
    await clock.advance(1000);
    await expect(ask("c3")).rejects.toEqual(code("IPAM_FENCED"));
    await join();
    await ask("c3");
    bootId = "boot 2";
    await restart();
    await expect(ask("c4")).rejects.toEqual(code("IPAM_FENCED"));
    await join();
    await ask("c4");
  });

  test("what could not be given back is given back later", async () => {
    await ask("c1");
    await ipam.release("web", ownerOf("c1"));
    await clock.advance(31_000);
    isCutOff = true;
    await ipam.surrenderEmptyBlocks("web");
    isCutOff = false;
    await restart();
    await ipam.tick();
    expect((await authority.poolUse("web"))[0]?.blocksClaimed).toBe(0);
    expect(ipam.status("web")[0]?.blocks).toEqual([]);
  });
});

test("a node in a new epoch drops what it had and names the endpoints to remove", async () => {
  await ask("c1");
  await authority.forgetNode("n1", { force: true });
  const gone = await join();
  expect(gone).toHaveLength(1);
  expect(ipam.leases()).toEqual([]);
  await restart();
  expect(ipam.leases()).toEqual([]);
  expect(only(await ask("c2"))).toBeDefined();
});

test("renewed() for another epoch than the node's is refused", async () => {
  await expect(ipam.renewed(clock.monotonicMs(), 999)).rejects.toEqual(code("IPAM_STALE_EPOCH"));
});

test("a block with a resting address is not given back, an empty one is, one is kept", async () => {
  for (let i = 0; i < 20; i++) await ask(`c${i}`);
  for (let i = 0; i < 20; i++) await ipam.release("web", ownerOf(`c${i}`));
  await ipam.surrenderEmptyBlocks("web");
  expect(ipam.status("web")[0]?.blocks).toHaveLength(2);
  await clock.advance(31_000);
  await ipam.releaseIdleBlocks();
  expect(ipam.status("web")[0]?.blocks).toHaveLength(1);
  await ipam.surrenderEmptyBlocks("web");
  expect((await authority.poolUse("web"))[0]?.blocksClaimed).toBe(0);
});

test("an exhausted pool takes empty blocks back from other nodes before it gives up", async () => {
  const asking = new PoolAuthority(new MemoryStore({ clock }), clock, {
    askForEmptyBlocks: async () => asking.releaseBlock(block),
  });
  const { cidr } = (
    await asking.createNetwork({ name: "one", pools: [{ cidr: "10.6.0.0/28", blockPrefix: 28 }] })
  ).pools[0] ?? { cidr: "" as never };
  const first = await asking.joinNode("n1");
  const second = await asking.joinNode("n2");
  const block = await asking.claimBlock("n1", first.epoch, { network: "one", pool: cidr });
  expect((await asking.claimBlock("n2", second.epoch, { network: "one", pool: cidr })).node).toBe("n2");
});

test("when the journal fails nothing is handed out, and the truth is read again from it", async () => {
  await ask("c0");
  journalFails = true;
  await expect(ask("c1")).rejects.toEqual(code("IPAM_UNAVAILABLE"));
  journalFails = false;
  await ask("c2");
  expect(ipam.leases().map((lease) => lease.owner.containerId)).toEqual(["c0", "c2"]);
});

test("blocks of a network that was deleted by force are not used for its successor", async () => {
  const old = only(await ask("c1"));
  await authority.deleteNetwork("web", { force: true });
  await network("web", "10.9.0.0/24", 28);
  const other = await authority.joinNode("n2");
  const theirs = await authority.claimBlock("n2", other.epoch, {
    network: "web",
    pool: views.get("web")?.pools[0]?.cidr ?? ("" as never),
  });
  const [mine] = await ask("c2");
  expect(mine?.ip).not.toBe(old);
  expect(ipam.status("web")[0]?.blocks).not.toContain(theirs.cidr);
});
