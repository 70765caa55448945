import { beforeEach, describe, expect, test } from "vitest";
import { parseCidr, parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { MemoryStore, type Store } from "../../store/index.ts";
import { PoolAuthority } from "../index.ts";
import { Recovery } from "../recovery/index.ts";

const hourMs = 3600 * 1000;
const pool = parseCidr("10.9.0.0/24");
const owner = { containerId: "c1", ifname: "eth0" };
let clock: ManualClock;
let store: MemoryStore;
let authority: PoolAuthority;

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore({ clock });
  authority = new PoolAuthority(store, clock);
  await authority.createNetwork({ name: "web", pools: [{ cidr: pool, blockPrefix: 26 }] });
});

const claim = async (node: string, epoch: number) =>
  authority.claimBlock(node, epoch, { network: "web", pool });
const code = (expected: string) => expect.objectContaining({ code: expected });

test("every block of a pool can be claimed, once, and then it is exhausted by name, size and use", async () => {
  const { epoch } = await authority.joinNode("n1");
  const blocks = new Set<string>();
  for (let i = 0; i < 4; i++) blocks.add((await claim("n1", epoch)).cidr);
  expect(blocks.size).toBe(4);
  await expect(claim("n1", epoch)).rejects.toThrow(
    /pool 10.9.0.0\/24 is full \(254 addresses in 4 blocks of \/26, 4 taken/,
  );
});

test("a part of a pool gives its own blocks only, each once, and then it is exhausted by name", async () => {
  const { epoch } = await authority.joinNode("n1");
  const half = parseCidr("10.9.0.128/25");
  const claimHalf = () => authority.claimBlock("n1", epoch, { network: "web", pool, within: half });
  const blocks = [await claimHalf(), await claimHalf()].map(({ cidr }) => cidr);
  expect(blocks.toSorted()).toEqual(["10.9.0.128/26", "10.9.0.192/26"]);
  await expect(claimHalf()).rejects.toThrow(/no block of \/26 in 10.9.0.128\/25 is free/);
  expect((await claim("n1", epoch)).cidr).toMatch(/^10\.9\.0\.(0|64)\/26$/);
});

test.each(["10.9.0.0/28", "10.7.0.0/16"])("no block lies in %s: too small, or elsewhere", async (within) => {
  const { epoch } = await authority.joinNode("n1");
  const request = { network: "web", pool, within: parseCidr(within) };
  await expect(authority.claimBlock("n1", epoch, request)).rejects.toEqual(code("IPAM_POOL_EXHAUSTED"));
});

test("servers that claim at the same time never answer the same block", async () => {
  const other = new PoolAuthority(store, clock);
  const { epoch } = await authority.joinNode("n1");
  const claims = await Promise.all(
    [0, 1].flatMap(() =>
      [authority, other].map((one) => one.claimBlock("n1", epoch, { network: "web", pool })),
    ),
  );
  expect(new Set(claims.map(({ cidr }) => cidr)).size).toBe(4);
});

test("a network goes after its nodes gave their empty blocks back, and stays when they cannot", async () => {
  let givesBack = false;
  const asked: unknown[] = [];
  const asking = new PoolAuthority(store, clock, {
    askForEmptyBlocks: async (request) => {
      asked.push(request);
      if (givesBack) await asking.releaseBlock(block);
    },
  });
  const { epoch } = await asking.joinNode("n1");
  const block = await asking.claimBlock("n1", epoch, { network: "web", pool });
  await expect(asking.deleteNetwork("web")).rejects.toEqual(code("IPAM_NETWORK_IN_USE"));
  givesBack = true;
  await asking.deleteNetwork("web");
  expect(asked).toEqual(Array(2).fill({ network: "web", deleting: true }));
  expect(await asking.networks()).toEqual([]);
});

test("a block in an IPv6 /64 or an IPv4 /8 is found at once", async () => {
  await authority.createNetwork({ name: "big", pools: [{ cidr: "fd00::/64" }, { cidr: "11.0.0.0/8" }] });
  const { epoch } = await authority.joinNode("n1");
  for (const cidr of ["fd00::/64", "11.0.0.0/8"]) {
    const claimed = await authority.claimBlock("n1", epoch, { network: "big", pool: parseCidr(cidr) });
    expect(claimed.reserved).toEqual([]);
  }
});

test("a claim whose answer got lost is answered again to a node that does not know the block", async () => {
  const { epoch } = await authority.joinNode("n1");
  const first = await authority.claimBlock("n1", epoch, { network: "web", pool, held: [] });
  expect(await authority.claimBlock("n1", epoch, { network: "web", pool, held: [] })).toEqual(first);
  const second = await authority.claimBlock("n1", epoch, { network: "web", pool, held: [first.cidr] });
  expect(second.cidr).not.toBe(first.cidr);
});

test("a release that comes late does not hit a later claim of the same block", async () => {
  const { epoch } = await authority.joinNode("n1");
  const first = await claim("n1", epoch);
  await authority.releaseBlock(first);
  const second = await claim("n1", epoch);
  expect(second.cidr).toBe(first.cidr);
  await authority.releaseBlock(first);
  expect((await authority.poolUse("web"))[0]?.blocksClaimed).toBe(1);
});

describe("terms", () => {
  test("a node that knows its epoch goes on in it, one that does not gets a later one", async () => {
    const first = await authority.joinNode("n1");
    expect((await authority.joinNode("n1", first.epoch)).epoch).toBe(first.epoch);
    const later = await authority.joinNode("n1");
    expect(later.epoch).toBeGreaterThan(first.epoch);
    await expect(authority.renewNode("n1", first.epoch)).rejects.toEqual(code("IPAM_STALE_EPOCH"));
    await expect(claim("n1", first.epoch)).rejects.toEqual(code("IPAM_STALE_EPOCH"));
  });

  test("blocks are freed reclaimAfter after the last renewal was seen, not before", async () => {
    const { epoch } = await authority.joinNode("n1");
    await claim("n1", epoch);
    await authority.reclaimTick();
    await clock.advance(20 * hourMs);
    await authority.renewNode("n1", epoch);
    await authority.reclaimTick();
    await clock.advance(24 * hourMs - 1);
    expect(await authority.reclaimTick()).toEqual([]);
    await clock.advance(1);
    const [reclaimed] = await authority.reclaimTick();
    expect(reclaimed?.blocks).toHaveLength(1);
    expect((await authority.poolUse("web"))[0]?.blocksClaimed).toBe(0);
    expect((await authority.joinNode("n1", epoch)).epoch).toBeGreaterThan(epoch);
  });

  test("a jump of the wall clock frees nothing", async () => {
    const { epoch } = await authority.joinNode("n1");
    await claim("n1", epoch);
    await authority.reclaimTick();
    clock.jumpWall(1000 * hourMs);
    expect(await authority.reclaimTick()).toEqual([]);
  });

  test("a server that has just started waits the whole time", async () => {
    const { epoch } = await authority.joinNode("n1");
    await claim("n1", epoch);
    await authority.reclaimTick();
    await clock.advance(24 * hourMs);
    expect(await new PoolAuthority(store, clock).reclaimTick()).toEqual([]);
  });

  test("forgetting a node ends renewals and lets its time go on from the last one", async () => {
    const { epoch } = await authority.joinNode("n1");
    await claim("n1", epoch);
    await authority.reclaimTick();
    await clock.advance(20 * hourMs);
    await authority.forgetNode("n1");
    await expect(authority.renewNode("n1", epoch)).rejects.toEqual(code("IPAM_STALE_EPOCH"));
    await clock.advance(4 * hourMs - 1);
    expect(await authority.reclaimTick()).toEqual([]);
    await clock.advance(1);
    expect(await authority.reclaimTick()).toHaveLength(1);
  });

  test("forgetting with force frees at once, also more blocks than one transaction takes", async () => {
    await authority.createNetwork({ name: "small", pools: [{ cidr: "10.10.0.0/24", blockPrefix: 31 }] });
    const { epoch } = await authority.joinNode("n1");
    for (let i = 0; i < 60; i++) {
      await authority.claimBlock("n1", epoch, { network: "small", pool: parseCidr("10.10.0.0/24") });
    }
    await authority.claimStatic("n1", epoch, { network: "web", ip: parseIp("10.9.0.9"), owner });
    await authority.forgetNode("n1", { force: true });
    expect((await authority.poolUse("small"))[0]?.blocksClaimed).toBe(0);
    expect((await authority.poolUse("web"))[0]?.statics).toEqual([]);
    await expect(authority.forgetNode("n1")).rejects.toEqual(code("IPAM_NODE_NOT_FOUND"));
  });

  describe("with force, of a node that is alive", () => {
    const live = "live/n1";
    const alive = () => store.txn({ success: [{ op: "put", key: live, value: Buffer.from("1") }] });

    test("is refused, also where it came back between look and write", async () => {
      const pools = new PoolAuthority(store, clock, { liveKeyOf: (node) => `live/${node}` });
      const { epoch } = await pools.joinNode("n1");
      const racing = Object.create(store) as Store;
      racing.range = store.range.bind(store);
      racing.txn = async (txn) => {
        if (txn.success.some(({ op }) => op === "delete")) await alive();
        return store.txn(txn);
      };
      const elsewhere = new PoolAuthority(racing, clock, { liveKeyOf: (node) => `live/${node}` });
      await expect(elsewhere.forgetNode("n1", { force: true })).rejects.toEqual(code("IPAM_NODE_ALIVE"));
      await expect(pools.forgetNode("n1", { force: true })).rejects.toEqual(code("IPAM_NODE_ALIVE"));
      await expect(pools.renewNode("n1", epoch)).resolves.toMatchObject({ epoch });
    });

    test("frees what it held in earlier terms and leaves the present one", async () => {
      const pools = new PoolAuthority(store, clock, { liveKeyOf: (node) => `live/${node}` });
      const first = await pools.joinNode("n1");
      await pools.claimBlock("n1", first.epoch, { network: "web", pool });
      const second = await pools.joinNode("n1");
      await alive();
      expect(await pools.forgetNode("n1", { force: true })).toBe(false);
      expect((await pools.poolUse("web"))[0]?.blocksClaimed).toBe(0);
      await expect(pools.renewNode("n1", second.epoch)).resolves.toMatchObject({ epoch: second.epoch });
    });
  });

  describe("a node that comes without its term again and again", () => {
    const ipAt = (last: number) => parseIp(`10.9.0.${last}`);
    const joinAndHold = async (last: number) => {
      const { epoch } = await authority.joinNode("n1");
      await authority.claimStatic("n1", epoch, { network: "web", ip: ipAt(last), owner });
    };

    test("and leaves addresses behind each time is refused in the end, and let in when their time is over", async () => {
      for (let i = 0; i < 17; i++) await joinAndHold(10 + i);
      await expect(authority.joinNode("n1")).rejects.toEqual(code("IPAM_LIMIT"));
      await authority.reclaimTick();
      await clock.advance(25 * hourMs);
      await authority.reclaimTick();
      await authority.joinNode("n1");
    });

    test("as no welcome reached it is never refused, and what it held before waits for its time", async () => {
      const held = await authority.joinNode("n1");
      const block = await claim("n1", held.epoch);
      await joinAndHold(200);
      const epochs = [held.epoch];
      for (let i = 0; i < 50; i++) epochs.push((await authority.joinNode("n1")).epoch);
      expect(epochs).toEqual([...new Set(epochs)].toSorted((a, b) => a - b));
      const waiting = (await authority.terms()).map(({ epoch }) => epoch);
      expect(waiting).toContain(held.epoch);
      await authority.relinquish("n1", 0);
      const n2 = await authority.joinNode("n2");
      const others = await Promise.all([0, 1].map(() => claim("n2", n2.epoch)));
      expect(others.map(({ cidr }) => cidr)).not.toContain(block.cidr);
      const static200 = authority.claimStatic("n2", n2.epoch, { network: "web", ip: ipAt(200), owner });
      await expect(static200).rejects.toEqual(code("IPAM_ADDRESS_IN_USE"));
    });

    test("loses no term when the plan begins to be gathered meanwhile: what it holds is not known yet", async () => {
      for (let i = 0; i < 17; i++) await authority.joinNode("n1");
      const before = await authority.terms();
      const racing: Store = Object.create(store);
      racing.txn = (txn) => store.txn(txn);
      racing.range = async (prefix, options) => {
        const page = await store.range(prefix, options);
        if (prefix === "ipam/statics/") await new Recovery(store, clock).begin();
        return page;
      };
      await expect(new PoolAuthority(racing, clock).joinNode("n1")).rejects.toEqual(code("IPAM_RECOVERING"));
      expect(await authority.terms()).toEqual(before);
    });
  });
});

describe("static addresses", () => {
  test("one in another node's block is refused, and the error names the node", async () => {
    const n1 = await authority.joinNode("n1");
    const n2 = await authority.joinNode("n2");
    const block = await claim("n1", n1.epoch);
    const ip = parseIp(block.cidr.replace(/\.(\d+)\/26$/, (_, last) => `.${Number(last) + 5}`));
    await expect(authority.claimStatic("n2", n2.epoch, { network: "web", ip, owner })).rejects.toThrow(
      /which node "n1" owns/,
    );
  });

  test("one in an unclaimed block is left out when the block is claimed", async () => {
    const n1 = await authority.joinNode("n1");
    const n2 = await authority.joinNode("n2");
    const ips = [5, 70, 130, 200].map((last) => parseIp(`10.9.0.${last}`));
    for (const ip of ips) await authority.claimStatic("n1", n1.epoch, { network: "web", ip, owner });
    const reserved: string[] = [];
    for (let i = 0; i < 4; i++) reserved.push(...(await claim("n2", n2.epoch)).reserved);
    expect(reserved).toEqual(expect.arrayContaining(ips));
  });

  test("a block claim and a static claim in it at the same time see each other", async () => {
    await authority.createNetwork({ name: "one", pools: [{ cidr: "10.11.0.0/28", blockPrefix: 28 }] });
    const n1 = await authority.joinNode("n1");
    const n2 = await authority.joinNode("n2");
    const ip = parseIp("10.11.0.3");
    const [block, single] = await Promise.allSettled([
      authority.claimBlock("n2", n2.epoch, { network: "one", pool: parseCidr("10.11.0.0/28") }),
      authority.claimStatic("n1", n1.epoch, { network: "one", ip, owner }),
    ]);
    expect(block.status).toBe("fulfilled");
    if (block.status === "fulfilled" && single.status === "fulfilled")
      expect(block.value.reserved).toContain(ip);
  });

  test.each([
    ["the edge of the pool", "10.9.0.255", "IPAM_ADDRESS_RESERVED"],
    ["an address of no pool", "10.8.0.1", "IPAM_ADDRESS_OUTSIDE"],
  ])("%s is refused", async (_name, ip, expected) => {
    const { epoch } = await authority.joinNode("n1");
    await expect(
      authority.claimStatic("n1", epoch, { network: "web", ip: parseIp(ip), owner }),
    ).rejects.toEqual(code(expected));
  });

  test("the same owner may ask again, another may not, and after the release it may", async () => {
    const { epoch } = await authority.joinNode("n1");
    const request = { network: "web", ip: parseIp("10.9.0.9"), owner };
    const first = await authority.claimStatic("n1", epoch, request);
    expect(await authority.claimStatic("n1", epoch, request)).toEqual(first);
    const other = { ...request, owner: { containerId: "c2", ifname: "eth0" } };
    await expect(authority.claimStatic("n1", epoch, other)).rejects.toEqual(code("IPAM_ADDRESS_IN_USE"));
    await authority.releaseStatic(first);
    expect((await authority.claimStatic("n1", epoch, other)).serial).toBeGreaterThan(first.serial);
  });
});

describe("networks", () => {
  test("two of the same name, or with pools that overlap, cannot be made, not even at the same time", async () => {
    await expect(authority.createNetwork({ name: "web", pools: [{ cidr: "10.20.0.0/24" }] })).rejects.toEqual(
      code("IPAM_NETWORK_EXISTS"),
    );
    const made = await Promise.allSettled(
      ["a", "b", "c"].map((name) => authority.createNetwork({ name, pools: [{ cidr: "10.21.0.0/16" }] })),
    );
    expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("one in use cannot be deleted, and goes on", async () => {
    const { epoch } = await authority.joinNode("n1");
    const block = await claim("n1", epoch);
    await expect(authority.deleteNetwork("web")).rejects.toEqual(code("IPAM_NETWORK_IN_USE"));
    await claim("n1", epoch);
    await expect(authority.deleteNetwork("web")).rejects.toThrow(/hold 2 blocks/);
    await authority.deleteNetwork("web", { force: true });
    await expect(claim("n1", epoch)).rejects.toEqual(code("IPAM_NETWORK_NOT_FOUND"));
    await authority.releaseBlock(block);
  });

  test("a claim either comes before a deletion, which is refused, or after it", async () => {
    const { epoch } = await authority.joinNode("n1");
    const [claimed, deleted] = await Promise.allSettled([claim("n1", epoch), authority.deleteNetwork("web")]);
    expect(claimed.status === "fulfilled" && deleted.status === "fulfilled").toBe(false);
  });
});
