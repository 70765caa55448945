/**
 * What every kernel keeps to, in two namespaces joined by a veth pair. `host` and `guest` start with nothing
 * but loopback. The same statements run on the in-memory twin and on Linux, so that a plan proven on the twin
 * holds on the host.
 */
import { describe, expect, test } from "vitest";
import { isFabricError } from "../../errors/index.ts";
import { applyAll, type Kernel, type KernelEvent } from "../../kernel/index.ts";
import { linkContract } from "./kernel-links.ts";
import { rowContract } from "./kernel-rows.ts";
import {
  addressed,
  eachTest,
  failure,
  gateway,
  type KernelFixture,
  mac,
  makePair,
  type OpenKernels,
  ours,
} from "./kernel-subject.ts";

export function kernelContract(name: string, open: OpenKernels): void {
  linkContract(name, open);
  rowContract(name, open);
  describe(`${name} keeps settings, rulesets and events`, () => {
    let fixture: KernelFixture;
    let host: Kernel;
    let guest: Kernel;
    eachTest(open, (opened) => {
      fixture = opened;
      ({ host, guest } = opened);
    });

    test("sysctls belong to their namespace, and a name that is not there is refused", async () => {
      await makePair(host);
      const path = ["ipv4", "conf", "hd1", "proxy_arp"];
      for (let i = 0; i < 2; i++) await applyAll(host, [{ op: "sysctl.put", path, value: "1" }]);
      expect(await host.sysctl(path)).toBe("1");
      await applyAll(guest, [{ op: "sysctl.put", path: ["ipv4", "ip_forward"], value: "1" }]);
      expect(await guest.sysctl(["ipv4", "ip_forward"])).toBe("1");
      const none = { op: "sysctl.put", path: ["ipv4", "conf", "none", "proxy_arp"], value: "1" } as const;
      expect(await failure(host, none)).toMatchObject({ errno: "ENOENT" });
      await expect(guest.sysctl(path)).rejects.toMatchObject({ code: "KERNEL_REFUSED" });
    });

    test("nftables: a ruleset is all or nothing, a table is read back, another namespace has its own", async () => {
      const at = { family: "inet", table: "heddle" };
      await host.nftApply([
        { add: { table: { family: "inet", name: "heddle" } } },
        { add: { set: { ...at, name: "ours", type: "ipv4_addr" } } },
        { add: { element: { ...at, name: "ours", elem: ["10.0.0.1", "10.0.0.2"] } } },
        { add: { chain: { ...at, name: "c" } } },
        { add: { rule: { ...at, chain: "c", expr: [{ accept: null }] } } },
      ]);
      const kinds = async () =>
        (await host.nftTable("inet", "heddle"))?.map((object) => Object.keys(object as object)[0]);
      expect((await kinds())?.sort()).toEqual(["chain", "rule", "set", "table"]);
      const bad = host.nftApply([
        { add: { chain: { ...at, name: "d" } } },
        { add: { rule: { ...at, chain: "none", expr: [{ accept: null }] } } },
      ]);
      await expect(bad).rejects.toSatisfy((error) => isFabricError(error, "KERNEL_NFT_REFUSED"));
      await expect(bad).rejects.toThrow(/No such file or directory/);
      expect(await kinds()).toHaveLength(4);
      expect(await guest.nftTable("inet", "heddle")).toBeUndefined();
      await host.nftApply([{ delete: { table: { family: "inet", name: "heddle" } } }]);
      expect(await host.nftTable("inet", "heddle")).toBeUndefined();
    });

    test("inside opens a namespace by its path and refuses what is none", async () => {
      const again = await host.inside(fixture.guestPath);
      expect(again.netnsId).toBe(guest.netnsId);
      expect(again.netnsId).not.toBe(host.netnsId);
      expect(await again.link("lo")).toMatchObject({ up: false });
      again.close();
      await expect(host.inside("/run/netns/none")).rejects.toMatchObject({ code: "KERNEL_NO_NETNS" });
    });

    test("events tell the topics of a burst, and end with the signal", async () => {
      const stop = new AbortController();
      const events = host.events(["link", "address", "route", "neighbour", "rule"], stop.signal);
      const seen = new Set<string>();
      const reading = (async () => {
        for await (const event of events) note(event, seen);
      })();
      const link = await addressed(host);
      await applyAll(host, [
        { op: "route.put", route: ours("10.74.0.0/16", { via: gateway }) },
        { op: "neighbour.put", neighbour: { link, ip: gateway, mac, permanent: true } },
        { op: "rule.put", rule: { family: 4, priority: 72, table: 7272, protocol: 72 } },
      ]);
      await expect.poll(() => [...seen].sort()).toEqual(["address", "link", "neighbour", "route", "rule"]);
      stop.abort();
      await reading;
    });

    test("events tell of a setting that somebody changed", async () => {
      const stop = new AbortController();
      const seen = new Set<string>();
      const reading = (async () => {
        for await (const event of host.events(["sysctl"], stop.signal)) note(event, seen);
      })();
      await applyAll(host, [{ op: "sysctl.put", path: ["ipv4", "ip_forward"], value: "1" }]);
      await expect.poll(() => [...seen]).toEqual(["sysctl"]);
      seen.clear();
      await applyAll(host, [{ op: "sysctl.put", path: ["ipv6", "conf", "all", "forwarding"], value: "1" }]);
      await expect.poll(() => [...seen]).toEqual(["sysctl"]);
      stop.abort();
      await reading;
    });

    test("events tell of an nftables table that others change, of no other table, and not what this kernel did", async () => {
      const somebody = await guest.inside(fixture.guestPath);
      const stop = new AbortController();
      const seen = new Set<string>();
      const reading = (async () => {
        for await (const event of guest.events(["nft inet heddle", "rule"], stop.signal)) note(event, seen);
      })();
      const table = (name: string) => ({ add: { table: { family: "inet", name } } });
      const chain = (name: string) => ({ add: { chain: { family: "inet", table: "heddle", name } } });
      const rule = (priority: number) =>
        applyAll(guest, [{ op: "rule.put", rule: { family: 4, priority, table: 7272, protocol: 72 } }]);
      await guest.nftApply([table("heddle"), chain("c")]);
      await somebody.nftApply([table("heddle2")]);
      await rule(72);
      await expect.poll(() => [...seen]).toEqual(["rule"]);
      await somebody.nftApply([chain("d")]);
      await expect.poll(() => [...seen]).toContain("nft inet heddle");
      seen.clear();
      await guest.nftApply([chain("e")]);
      await rule(73);
      await expect.poll(() => [...seen]).toEqual(["rule"]);
      await somebody.nftApply([{ delete: { table: { family: "inet", name: "heddle" } } }]);
      await expect.poll(() => [...seen]).toContain("nft inet heddle");
      stop.abort();
      await reading;
      somebody.close();
    });

    test("events of one namespace say nothing of another", async () => {
      const stop = new AbortController();
      const seen = new Set<string>();
      const reading = (async () => {
        for await (const event of guest.events(["rule"], stop.signal)) note(event, seen);
      })();
      const rule = { family: 4, priority: 72, table: 7272, protocol: 72 } as const;
      await applyAll(host, [{ op: "rule.put", rule }]);
      await applyAll(guest, [{ op: "rule.put", rule: { ...rule, priority: 73 } }]);
      await expect.poll(() => [...seen]).toEqual(["rule"]);
      await applyAll(host, [{ op: "rule.delete", rule }]);
      stop.abort();
      await reading;
    });
  });
}

function note(event: KernelEvent, seen: Set<string>): void {
  if (event.kind === "overrun") seen.add("overrun");
  else for (const topic of event.topics) seen.add(topic);
}
