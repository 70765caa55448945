/** What only Linux itself can show: floods, batches, foreign rows, failures on the way. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cidrNth, hostCidr, type Ip, parseCidr, parseIp } from "../../addr/index.ts";
import { requireWorld } from "../../test/world.ts";
import { applyAll, type Kernel, type KernelOperation } from "../index.ts";
import { openNetns, withinNetns } from "../libc/index.ts";
import { freeGroup } from "./link-group.ts";
import { checkCapabilities, openKernel } from "./open-kernel.ts";

const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8" });
const pool = parseCidr("10.0.0.0/8");

let kernel: Kernel;

beforeEach(async () => {
  requireWorld();
  ip("netns", "add", "k1");
  kernel = openKernel({ netns: "/run/netns/k1" });
  await applyAll(kernel, [
    { op: "link.create", link: { kind: "veth", name: "v1", up: true, peer: { name: "v2", up: true } } },
    { op: "address.put", link: "v1", ip: parseIp("10.255.0.1"), prefix: 16 },
  ]);
});

afterEach(() => {
  kernel.close();
  ip("netns", "del", "k1");
});

function routePut(i: number, via: Ip): KernelOperation {
  const to = hostCidr(cidrNth(pool, i));
  return { op: "route.put", route: { to, type: "unicast", via, protocol: 72, table: 254 } };
}

describe("events()", () => {
  test("a flood that nobody reads becomes an overrun, and the stream goes on", async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of kernel.events(["link"], stop.signal)) seen.push(event.kind);
    })();
    // Synchronous, so that the event loop reads nothing meanwhile; each change is some 1.5 KB in the queue.
    const flood = `for m in $(seq 1000 1010); do for r in $(seq 1 120); do echo link set v1 mtu $m; echo link set v1 mtu 1500; done; done | ip -n k1 -batch -`;
    execFileSync("sh", ["-c", flood]);
    await expect.poll(() => seen).toContain("overrun");
    // A change before it listens again is told by a second overrun, so that one is made until it is heard.
    let mtu = 1200;
    const change = async () => {
      await applyAll(kernel, [{ op: "link.change", link: "v1", change: { mtu: mtu++ } }]);
      return seen.at(-1);
    };
    await expect.poll(change).toBe("changed");
    stop.abort();
    await reading;
  });

  test("a change is told within 100 ms", async () => {
    const stop = new AbortController();
    const events = kernel.events(["link"], stop.signal)[Symbol.asyncIterator]();
    const delaysMs: number[] = [];
    for (const mtu of [1400, 1401, 1402, 1403, 1404]) {
      const told = events.next();
      const startMs = performance.now();
      await applyAll(kernel, [{ op: "link.change", link: "v2", change: { mtu } }]);
      await told;
      delaysMs.push(performance.now() - startMs);
    }
    stop.abort();
    expect(Math.min(...delaysMs)).toBeLessThan(100);
  });

  test("closing the kernel ends its streams and leaves no descriptor", async () => {
    const openBefore = readdirSync("/proc/self/fd").length;
    const other = await kernel.inside("/run/netns/k1");
    const events = other.events(["link", "route"], new AbortController().signal);
    other.close();
    other.close();
    for await (const event of events) expect(event).toBeUndefined();
    await expect.poll(() => readdirSync("/proc/self/fd").length).toBe(openBefore);
  });
});

describe("apply()", () => {
  test("carries out thousands of rows, each failure with its own", async () => {
    const good = parseIp("10.255.0.9");
    const bad = parseIp("192.0.2.1");
    const operations = Array.from({ length: 5000 }, (_, i) => routePut(i, i % 3 === 0 ? bad : good));
    const outcome = await kernel.apply(operations);
    expect(outcome).toHaveLength(5000);
    expect(outcome.every((error, i) => (error !== undefined) === (i % 3 === 0))).toBe(true);
    expect(outcome[3]?.message).toContain(String(cidrNth(pool, 3)));
    expect(await kernel.routes({ protocol: 72 })).toHaveLength(outcome.filter((error) => !error).length);
  });

  test("reports each failure of a batch in which everything fails", async () => {
    const operations = Array.from({ length: 3000 }, (_, i) => routePut(i, parseIp("192.0.2.1")));
    expect(
      (await kernel.apply(operations)).every((error) => error?.details["errnoName"] === "ENETUNREACH"),
    ).toBe(true);
  });

  test("two lists at once do not mix", async () => {
    const lists = [0, 1, 2].map((list) =>
      Array.from({ length: 2000 }, (_, i) => routePut(list * 2000 + i, parseIp("10.255.0.9"))),
    );
    const outcomes = await Promise.all(lists.map((operations) => kernel.apply(operations)));
    expect(outcomes.flat().filter((error) => error)).toEqual([]);
    expect(await kernel.routes({ protocol: 72 })).toHaveLength(6000);
  });

  test("a run of deletes with one that Linux keeps deletes the others", async () => {
    const names = ["lo", "v1", "none"];
    const outcome = await kernel.apply(names.map((link) => ({ op: "link.delete", link })));
    expect(outcome.map((error) => error?.details["errnoName"])).toEqual(["EOPNOTSUPP", undefined, undefined]);
    expect((await kernel.links()).map((link) => link.name)).toEqual(["lo"]);
  });

  test("a run of deletes that Linux refuses in part moves no link to another group", async () => {
    ip("-n", "k1", "link", "set", "lo", "group", "7");
    await kernel.apply([
      { op: "link.delete", link: "lo" },
      { op: "link.delete", link: "v1" },
    ]);
    expect(JSON.parse(ip("-n", "k1", "-j", "link", "show", "lo"))).toMatchObject([{ group: "7" }]);
  });

  test("a run of deletes costs much less than its links one by one", async () => {
    const names = Array.from({ length: 20 }, (_, i) => `d${i}`);
    const msOf = async (deleteAll: () => Promise<void>): Promise<number> => {
      const made = names.map((name): KernelOperation => {
        return { op: "link.create", link: { kind: "veth", name, up: true, peer: { name: `${name}p` } } };
      });
      await applyAll(kernel, made);
      const startMs = performance.now();
      await deleteAll();
      return performance.now() - startMs;
    };
    const deletes = names.map((link): KernelOperation => ({ op: "link.delete", link }));
    const togetherMs = await msOf(() => applyAll(kernel, deletes));
    const singlyMs = await msOf(async () => {
      for (const operation of deletes) await applyAll(kernel, [operation]);
    });
    expect(togetherMs).toBeLessThan(singlyMs / 2);
  });

  test("a group that a link has already is never taken for deleting", () => {
    const offered = [8, 7, 9];
    expect(freeGroup(new Set([7, 8]), () => offered.shift() ?? 0)).toBe(9);
  });

  test("a link that cannot be finished is taken away again", async () => {
    const alias = "x".repeat(300);
    const link = { kind: "veth", name: "v8", peer: { name: "v9", alias } } as const;
    const [error] = await kernel.apply([{ op: "link.create", link }]);
    expect(error?.code).toBe("KERNEL_REFUSED");
    expect(await kernel.link("v8")).toBeUndefined();
  });
});

describe("reads", () => {
  test("what others made is read or left out, never an error", async () => {
    const inside = (...args: string[]) => ip("-n", "k1", ...args);
    inside("route", "add", "10.1.0.0/16", "nexthop", "via", "10.255.0.2", "nexthop", "via", "10.255.0.3");
    inside("route", "add", "prohibit", "10.2.0.0/16");
    inside("rule", "add", "from", "10.3.0.0/16", "iif", "v1", "lookup", "99");
    inside("rule", "add", "priority", "5", "prohibit");
    inside("link", "add", "m1", "link", "v1", "type", "macvlan");
    const routes = await kernel.routes({ table: 254, family: 4 });
    expect(routes.find((route) => route.to === "10.1.0.0/16")?.via).toBe("10.255.0.2");
    expect(routes.find((route) => route.to === "10.2.0.0/16")).toBeUndefined();
    expect((await kernel.rules(4)).map((rule) => rule.table)).toContain(99);
    expect((await kernel.link("m1"))?.detail).toEqual({ kind: "other", type: "macvlan" });
    expect(await kernel.link("no-such-link-and-too-long")).toBeUndefined();
  });

  test("a file that is no network namespace is refused", async () => {
    for (const path of ["/etc/passwd", "/proc/self/ns/mnt", "/dev/null"])
      await expect(kernel.inside(path)).rejects.toMatchObject({ code: "KERNEL_NO_NETNS" });
  });
});

describe("nftables", () => {
  test("a missing program is named with its package", async () => {
    const without = openKernel({ nftProgram: "/nonexistent/nft" });
    await expect(without.nftTable("inet", "heddle")).rejects.toMatchObject({
      code: "KERNEL_NFT_MISSING",
      message: expect.stringContaining("install the package nftables"),
    });
    without.close();
  });

  const script = (line: string): string => {
    const path = join(mkdtempSync(join(tmpdir(), "heddle-nft-")), "nft");
    writeFileSync(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    return path;
  };

  test("a program that does not end is killed", async () => {
    const slow = openKernel({ nftProgram: script("exec sleep 60"), nftTimeoutMs: 100 });
    await expect(slow.nftTable("inet", "heddle")).rejects.toMatchObject({ code: "KERNEL_NFT_TIMEOUT" });
    slow.close();
  });

  test("a program that writes without end is killed, and one that writes no JSON is refused", async () => {
    const loud = openKernel({ nftProgram: script("exec yes") });
    await expect(loud.nftTable("inet", "heddle")).rejects.toThrow(/wrote more than/);
    loud.close();
    const odd = openKernel({ nftProgram: script("echo hello") });
    await expect(odd.nftTable("inet", "heddle")).rejects.toMatchObject({ code: "KERNEL_NFT_REFUSED" });
    odd.close();
  });

  test("a ruleset larger than any pipe is taken", async () => {
    const elem = Array.from({ length: 20_000 }, (_, i) => cidrNth(pool, i));
    const at = { family: "inet", table: "heddle" };
    await kernel.nftApply([
      { add: { table: { family: "inet", name: "heddle" } } },
      { add: { set: { ...at, name: "many", type: "ipv4_addr", elem } } },
    ]);
    const set = (await kernel.nftTable("inet", "heddle"))?.find((object) => "set" in (object as object));
    expect((set as { set: { elem: unknown[] } }).set.elem).toHaveLength(20_000);
  });
});

test("withinNetns() comes back also when its action fails", () => {
  const home = readlinkSync("/proc/thread-self/ns/net");
  const { fd } = openNetns("/run/netns/k1");
  const action = () => {
    expect(readlinkSync("/proc/thread-self/ns/net")).not.toBe(home);
    throw new Error("on purpose");
  };
  expect(() => withinNetns(fd, action)).toThrow("on purpose");
  expect(readlinkSync("/proc/thread-self/ns/net")).toBe(home);
  closeSync(fd);
});

test("a process without capabilities is told which it lacks", () => {
  const status = "Name:\tnode\nCapEff:\t0000000000001000\n";
  expect(() => checkCapabilities(status)).toThrow(
    "change network state: the process lacks CAP_SYS_ADMIN; run it as root",
  );
  expect(() => checkCapabilities("CapEff:\t000001ffffffffff\n")).not.toThrow();
});
