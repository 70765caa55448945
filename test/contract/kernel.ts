/**
 * What every kernel keeps to, in two namespaces joined by a veth pair. `host` and `guest` start with nothing
 * but loopback. The same statements run on the in-memory twin and on Linux, so that a plan proven on the twin
 * holds on the host.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ip, parseCidr, parseIp, parseMac } from "../../addr/index.ts";
import { isFabricError } from "../../errors/index.ts";
import {
  applyAll,
  type Kernel,
  type KernelEvent,
  type KernelOperation,
  type RouteSpec,
} from "../../kernel/index.ts";

export interface KernelFixture {
  readonly host: Kernel;
  readonly guest: Kernel;
  /** Path of the guest's namespace. */
  readonly guestPath: string;
  removeGuest(): Promise<void>;
  close(): Promise<void>;
}

const gateway = parseIp("10.7.0.9");
const mac = parseMac("02:00:00:00:00:77");

function ours(to: string, fields: Partial<RouteSpec> = {}): RouteSpec {
  return { to: parseCidr(to), type: "unicast", protocol: 72, table: 254, ...fields };
}

export function kernelContract(name: string, open: () => Promise<KernelFixture>): void {
  describe(`${name} keeps the kernel contract`, () => {
    let fixture: KernelFixture;
    let host: Kernel;
    let guest: Kernel;

    beforeEach(async () => {
      fixture = await open();
      ({ host, guest } = fixture);
    });
    afterEach(async () => {
      await fixture.close();
    });

    const pair: KernelOperation = {
      op: "link.create",
      link: { kind: "veth", name: "hd1", alias: "heddle:hd1", up: true, peer: { name: "hd1p", up: true } },
    };
    const makePair = async (): Promise<number> => {
      await applyAll(host, [pair]);
      return (await host.link("hd1"))?.index ?? 0;
    };
    const addressed = async (): Promise<number> => {
      const index = await makePair();
      await applyAll(host, [
        { op: "address.put", link: "hd1", ip: parseIp("10.7.0.1"), prefix: 24 },
        { op: "address.put", link: "hd1", ip: parseIp("fd07::1"), prefix: 64 },
      ]);
      return index;
    };
    const oursOf = async (kernel: Kernel) => kernel.routes({ protocol: 72 });
    const failure = async (operation: KernelOperation) => {
      const [error] = await host.apply([operation]);
      return error && { errno: error.details["errnoName"], sentence: error.details["kernelMessage"] };
    };

    test("a veth pair is born with its peer in the other namespace, marked and up", async () => {
      await applyAll(host, [
        {
          op: "link.create",
          link: {
            kind: "veth",
            name: "hdab",
            mac,
            mtu: 1400,
            alias: "heddle:one",
            up: true,
            peer: { name: "eth0", netns: fixture.guestPath, mtu: 1400, alias: "heddle:two", up: true },
          },
        },
      ]);
      const near = await host.link("hdab");
      const far = await guest.link("eth0");
      expect(near).toMatchObject({ name: "hdab", mac, mtu: 1400, alias: "heddle:one", up: true });
      expect(far).toMatchObject({ name: "eth0", mtu: 1400, alias: "heddle:two", up: true });
      expect(near?.detail).toEqual({ kind: "veth", peerIndex: far?.index });
      expect(await host.link("eth0")).toBeUndefined();
    });

    test("making a link whose name is taken is refused and leaves the link that has it alone", async () => {
      await makePair();
      const again = { ...pair, link: { ...pair.link, alias: "heddle:other" } } as KernelOperation;
      expect(await failure(again)).toMatchObject({ errno: "EEXIST" });
      expect((await host.link("hd1"))?.alias).toBe("heddle:hd1");
    });

    test("making a pair into a namespace that is not there changes nothing", async () => {
      const link = { kind: "veth", name: "hd2", peer: { name: "p", netns: "/run/netns/none" } } as const;
      const [error] = await host.apply([{ op: "link.create", link }]);
      expect(error?.code).toBe("KERNEL_NO_NETNS");
      expect(await host.link("hd2")).toBeUndefined();
    });

    test("bridge and vxlan links are read as they were made", async () => {
      const local = parseIp("127.0.0.1");
      await applyAll(host, [
        { op: "link.create", link: { kind: "bridge", name: "br7", up: true } },
        {
          op: "link.create",
          link: { kind: "vxlan", name: "vx7", mac, mtu: 1450, vni: 7272, port: 4789, local, learning: false },
        },
        { op: "link.change", link: "vx7", change: { masterIndex: "br7", up: true } },
      ]);
      const bridge = await host.link("br7");
      expect(bridge).toMatchObject({ up: true, detail: { kind: "bridge" } });
      expect(await host.link("vx7")).toMatchObject({
        mac,
        up: true,
        masterIndex: bridge?.index,
        detail: { kind: "vxlan", vni: 7272, port: 4789, local, learning: false },
      });
      const second = { kind: "vxlan", name: "vx8", vni: 7272, port: 4789, local, learning: false } as const;
      expect(await failure({ op: "link.create", link: second })).toMatchObject({ errno: "EEXIST" });
      await applyAll(host, [{ op: "link.change", link: "vx7", change: { masterIndex: 0 } }]);
      expect((await host.link("vx7"))?.masterIndex).toBeUndefined();
    });

    test("changing a link twice is changing it once", async () => {
      const index = await makePair();
      const change = { mac, mtu: 1300, alias: "heddle:new", up: false };
      for (let i = 0; i < 2; i++) await applyAll(host, [{ op: "link.change", link: index, change }]);
      expect(await host.link("hd1")).toMatchObject(change);
      await applyAll(host, [{ op: "link.change", link: index, change: { name: "hd9", alias: "" } }]);
      const renamed = await host.link("hd9");
      expect(renamed?.index).toBe(index);
      expect(renamed?.alias).toBeUndefined();
    });

    test("a link moves to another namespace", async () => {
      await makePair();
      const change = { netns: fixture.guestPath, name: "eth5", up: true };
      await applyAll(host, [{ op: "link.change", link: "hd1p", change }]);
      expect(await host.link("hd1p")).toBeUndefined();
      expect(await guest.link("eth5")).toMatchObject({ up: true });
    });

    test("one list may make a link, change it by name and put rows on it", async () => {
      const link = "hd1";
      await applyAll(host, [
        pair,
        { op: "address.put", link, ip: parseIp("10.7.0.1"), prefix: 24 },
        { op: "route.put", route: ours("10.50.0.0/16", { via: gateway, link }) },
        { op: "neighbour.put", neighbour: { link, ip: gateway, mac, permanent: true } },
      ]);
      const index = (await host.link("hd1"))?.index;
      expect(await oursOf(host)).toEqual([{ ...ours("10.50.0.0/16"), via: gateway, linkIndex: index }]);
      expect(await host.neighbours(index)).toContainEqual({
        linkIndex: index,
        ip: gateway,
        mac,
        permanent: true,
      });
    });

    test("deleting a link takes its rows and its peer along", async () => {
      const index = await addressed();
      await applyAll(host, [
        { op: "route.put", route: ours("10.50.0.0/16", { via: gateway }) },
        { op: "neighbour.put", neighbour: { link: index, ip: gateway, mac, permanent: true } },
        { op: "link.delete", link: index },
      ]);
      expect(await host.link("hd1p")).toBeUndefined();
      expect(await oursOf(host)).toEqual([]);
      expect(await host.addresses(index)).toEqual([]);
      expect(await host.neighbours(index)).toEqual([]);
    });

    test("a run of link deletes spares the others and forgives what is not there", async () => {
      const names = ["a1", "a2", "a3", "a4"];
      await applyAll(
        host,
        names.map((end) => ({
          op: "link.create",
          link: { kind: "veth", name: end, peer: { name: `${end}p` } },
        })),
      );
      const gone = ["a1", "a2", "a2", "a3", "none"];
      expect(await host.apply(gone.map((link) => ({ op: "link.delete", link })))).toEqual(
        gone.map(() => undefined),
      );
      expect((await host.links()).map((link) => link.name)).toEqual(
        expect.arrayContaining(["lo", "a4", "a4p"]),
      );
      expect(await host.links()).toHaveLength(3);
    });

    test("removing a namespace takes the peers of its links along", async () => {
      const link = { kind: "veth", name: "hd3", peer: { name: "eth0", netns: fixture.guestPath } } as const;
      await applyAll(host, [{ op: "link.create", link }]);
      await fixture.removeGuest();
      await expect.poll(() => host.link("hd3"), { timeout: 5000 }).toBeUndefined();
    });

    test("every put may be done twice, every delete also when there is nothing", async () => {
      const link = await addressed();
      const rows: readonly [put: KernelOperation, remove: KernelOperation][] = [
        [
          { op: "address.put", link, ip: parseIp("10.8.0.1"), prefix: 32 },
          { op: "address.delete", link, ip: parseIp("10.8.0.1"), prefix: 32 },
        ],
        [
          { op: "address.put", link, ip: parseIp("fd08::1"), prefix: 128 },
          { op: "address.delete", link, ip: parseIp("fd08::1"), prefix: 128 },
        ],
        [
          { op: "route.put", route: ours("10.51.0.0/16", { via: gateway }) },
          { op: "route.delete", route: ours("10.51.0.0/16", { via: gateway }) },
        ],
        [
          { op: "route.put", route: ours("10.51.0.1/32", { link }) },
          { op: "route.delete", route: ours("10.51.0.1/32", { link }) },
        ],
        [
          { op: "route.put", route: ours("fd51::/64", { via: parseIp("fd07::9"), link }) },
          { op: "route.delete", route: ours("fd51::/64", { via: parseIp("fd07::9"), link }) },
        ],
        [
          { op: "route.put", route: ours("10.0.0.0/8", { type: "unreachable", table: 7272 }) },
          { op: "route.delete", route: ours("10.0.0.0/8", { type: "unreachable", table: 7272 }) },
        ],
        [
          { op: "neighbour.put", neighbour: { link, ip: gateway, mac, permanent: true } },
          { op: "neighbour.delete", neighbour: { link, ip: gateway, permanent: true } },
        ],
        [
          { op: "neighbour.put", neighbour: { link, ip: gateway, permanent: false, proxy: true } },
          { op: "neighbour.delete", neighbour: { link, ip: gateway, permanent: false, proxy: true } },
        ],
        [
          {
            op: "rule.put",
            rule: { family: 4, priority: 72, table: 7272, protocol: 72, fwmark: 0x72, fwmask: 0xff },
          },
          {
            op: "rule.delete",
            rule: { family: 4, priority: 72, table: 7272, protocol: 72, fwmark: 0x72, fwmask: 0xff },
          },
        ],
        [
          {
            op: "rule.put",
            rule: { family: 6, priority: 72, to: parseCidr("fd00::/8"), table: 7272, protocol: 72 },
          },
          {
            op: "rule.delete",
            rule: { family: 6, priority: 72, to: parseCidr("fd00::/8"), table: 7272, protocol: 72 },
          },
        ],
      ];
      const state = async () => ({
        addresses: await host.addresses(link),
        routes: await oursOf(host),
        neighbours: await host.neighbours(link),
        rules: [...(await host.rules(4)), ...(await host.rules(6))],
      });
      const before = await state();
      for (const [put, remove] of rows) {
        await applyAll(host, [put]);
        const once = await state();
        expect(once, JSON.stringify(put)).not.toEqual(before);
        await applyAll(host, [put]);
        expect(await state(), JSON.stringify(put)).toEqual(once);
        await applyAll(host, [remove, remove]);
        expect(await state(), JSON.stringify(remove)).toEqual(before);
      }
    });

    test("rows on a link that is not there: put is refused, delete is done", async () => {
      const row = { link: 4711, ip: gateway, mac, permanent: true };
      expect(await failure({ op: "neighbour.put", neighbour: row })).toMatchObject({ errno: "ENODEV" });
      expect(await failure({ op: "route.put", route: ours("10.1.0.0/16", { link: "none" }) })).toMatchObject({
        errno: "ENODEV",
      });
      expect(await failure({ op: "link.change", link: "none", change: { up: true } })).toMatchObject({
        errno: "ENODEV",
      });
      const deletes: KernelOperation[] = [
        { op: "link.delete", link: "none" },
        { op: "link.delete", link: 4711 },
        { op: "neighbour.delete", neighbour: row },
        { op: "fdb.delete", entry: { link: 4711, mac, destination: gateway, permanent: true } },
        { op: "address.delete", link: 4711, ip: gateway, prefix: 24 },
        { op: "route.delete", route: ours("10.1.0.0/16", { link: 4711 }) },
        { op: "route.delete", route: ours("10.1.0.0/16", { link: "none" }) },
      ];
      expect(await host.apply(deletes)).toEqual(deletes.map(() => undefined));
    });

    test("routes are read as they were put", async () => {
      const linkIndex = await addressed();
      const source = parseIp("10.7.0.1");
      const routes: readonly RouteSpec[] = [
        ours("10.52.0.0/16", { via: gateway }),
        ours("10.53.0.0/16", { via: parseIp("10.99.0.1"), onlink: true }),
        ours("10.54.0.1/32", { source, mtu: 1400 }),
        ours("10.55.0.0/16", { via: parseIp("fe80::1") }),
        ours("10.56.0.0/16", { via: gateway, metric: 50 }),
        ours("10.56.0.0/16", { via: gateway, metric: 51, table: 7272 }),
        ours("10.60.0.0/16", { type: "unreachable" }),
        ours("10.61.0.0/16", { type: "blackhole" }),
        ours("fd52::/64", { via: parseIp("fd07::9") }),
        ours("fd53::/64", { via: parseIp("fe80::1") }),
        ours("fd54::1/128"),
        ours("fd55::/64", { via: parseIp("fd99::1"), onlink: true }),
        ours("fd60::/64", { type: "unreachable" }),
      ];
      const withLink = routes.map((route) =>
        route.type === "unicast" ? { ...route, link: linkIndex } : route,
      );
      await applyAll(
        host,
        withLink.map((route) => ({ op: "route.put", route })),
      );
      const wanted = routes.map((route) => (route.type === "unicast" ? { ...route, linkIndex } : route));
      const byText = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
      const sorted = (rows: readonly object[]) =>
        rows.map((row) => Object.fromEntries(Object.entries(row).sort(byText))).sort(byText);
      expect(sorted(await oursOf(host))).toEqual(sorted(wanted));
      expect(await host.routes({ table: 7272, family: 4 })).toHaveLength(1);
      expect(await host.routes({ table: 4242 })).toEqual([]);
    });

    test("put replaces a route of the same key, and delete spares one of another maker", async () => {
      const link = await addressed();
      await applyAll(host, [
        { op: "route.put", route: ours("10.57.0.0/16", { type: "unreachable" }) },
        { op: "route.put", route: ours("10.57.0.0/16", { via: gateway, link }) },
      ]);
      expect(await oursOf(host)).toEqual([{ ...ours("10.57.0.0/16"), via: gateway, linkIndex: link }]);
      const others = { ...ours("10.57.0.0/16", { via: gateway, link }), protocol: 4 };
      await applyAll(host, [
        { op: "route.delete", route: others },
        { op: "route.delete", route: ours("10.57.0.0/16", { type: "unreachable" }) },
      ]);
      expect(await oursOf(host)).toHaveLength(1);
    });

    const refusals: readonly [string, Partial<RouteSpec> & { to?: string }, string, string][] = [
      [
        "a next hop that is not on a link",
        { via: parseIp("10.99.0.1") },
        "ENETUNREACH",
        "Nexthop has invalid gateway",
      ],
      [
        "a source address of nobody",
        { via: gateway, source: parseIp("10.9.9.9") },
        "EINVAL",
        "Invalid prefsrc address",
      ],
      [
        "onlink without a link",
        { via: gateway, onlink: true },
        "ENODEV",
        "Nexthop device required for onlink",
      ],
    ];
    test.each(refusals)(
      "a route by %s is refused with the kernel's words",
      async (_name, fields, errno, sentence) => {
        await addressed();
        const route = ours("10.58.0.0/16", fields as Partial<RouteSpec>);
        expect(await failure({ op: "route.put", route })).toEqual({ errno, sentence });
        expect(await oursOf(host)).toEqual([]);
      },
    );

    test("an IPv6 next hop that is not on a link is refused", async () => {
      await addressed();
      const route = ours("fd58::/64", { via: parseIp("fd99::1") });
      expect(await failure({ op: "route.put", route })).toMatchObject({ errno: "EHOSTUNREACH" });
    });

    test("a link that goes down loses its routes and neighbours, and takes none", async () => {
      const link = await addressed();
      await applyAll(host, [
        { op: "route.put", route: ours("10.59.0.0/16", { via: gateway, link }) },
        { op: "route.put", route: ours("fd59::/64", { via: parseIp("fd07::9"), link }) },
        { op: "neighbour.put", neighbour: { link, ip: gateway, mac, permanent: true } },
        { op: "link.change", link, change: { up: false } },
      ]);
      expect(await oursOf(host)).toEqual([]);
      expect(await host.neighbours(link)).toEqual([]);
      const addresses = (await host.addresses(link)).map((address) => address.ip);
      expect(addresses).toEqual(["10.7.0.1"]);
      const put = (fields: Partial<RouteSpec>, to = "10.59.0.0/16") =>
        failure({ op: "route.put", route: ours(to, { link, ...fields }) });
      const down = { errno: "ENETDOWN", sentence: "Nexthop device is not up" };
      expect(await put({})).toEqual({ ...down, sentence: "Device for nexthop is not up" });
      expect(await put({ via: gateway, onlink: true })).toEqual(down);
      expect(await put({ via: gateway })).toMatchObject({ errno: "ENETUNREACH" });
      expect(await put({}, "fd59::/64")).toEqual(down);
      await applyAll(host, [{ op: "link.change", link, change: { up: true } }]);
      expect(await host.routeTo(gateway)).toMatchObject({ linkIndex: link });
    });

    test("a failing operation does not keep the later ones from being done", async () => {
      const link = await addressed();
      const outcome = await host.apply([
        { op: "route.put", route: ours("10.71.0.0/16", { via: gateway, link }) },
        { op: "route.put", route: ours("10.72.0.0/16", { via: parseIp("10.99.0.1") }) },
        { op: "route.put", route: ours("10.73.0.0/16", { via: gateway, link }) },
      ]);
      expect(outcome.map((error) => error?.code)).toEqual([undefined, "KERNEL_REFUSED", undefined]);
      expect((await oursOf(host)).map((route) => route.to)).toEqual(["10.71.0.0/16", "10.73.0.0/16"]);
    });

    test("routeTo answers the way, and refuses what has none", async () => {
      const linkIndex = await addressed();
      await applyAll(host, [
        { op: "route.put", route: ours("10.74.0.0/16", { via: gateway }) },
        { op: "route.put", route: ours("10.75.0.0/16", { type: "unreachable" }) },
      ]);
      expect(await host.routeTo(parseIp("10.74.1.2"))).toEqual({
        linkIndex,
        via: gateway,
        source: "10.7.0.1",
      });
      expect(await host.routeTo(parseIp("10.7.0.200"))).toEqual({ linkIndex, source: "10.7.0.1" });
      expect(await host.routeTo(parseIp("fd07::200"))).toEqual({ linkIndex, source: "fd07::1" });
      const refused = async (ip: Ip) => host.routeTo(ip).catch((error) => error.details.errnoName);
      expect(await refused(parseIp("10.75.0.1"))).toBe("EHOSTUNREACH");
      expect(await refused(parseIp("192.0.2.1"))).toBe("ENETUNREACH");
    });

    test("forwarding rows of a vxlan link: one destination a MAC, many for the flood", async () => {
      const [a, b] = [parseIp("192.0.2.1"), parseIp("192.0.2.2")] as const;
      const flood = "00:00:00:00:00:00" as typeof mac;
      const link = "vx9";
      const local = parseIp("127.0.0.1");
      const entry = (hwaddr: typeof mac, destination: Ip) => ({
        link,
        mac: hwaddr,
        destination,
        permanent: true,
      });
      await applyAll(host, [
        {
          op: "link.create",
          link: { kind: "vxlan", name: link, vni: 9, port: 4789, local, learning: false, up: true },
        },
        { op: "fdb.put", entry: entry(mac, a) },
        { op: "fdb.put", entry: entry(mac, b) },
        { op: "fdb.put", entry: entry(flood, a) },
        { op: "fdb.put", entry: entry(flood, b) },
        { op: "fdb.put", entry: entry(flood, b) },
      ]);
      const linkIndex = (await host.link(link))?.index ?? 0;
      const seen = async () =>
        (await host.fdb(linkIndex)).map((row) => `${row.mac} ${row.destination}`).sort();
      expect(await seen()).toEqual([`${flood} ${a}`, `${flood} ${b}`, `${mac} ${b}`]);
      await applyAll(host, [
        { op: "fdb.delete", entry: entry(flood, a) },
        { op: "fdb.delete", entry: entry(flood, a) },
        { op: "fdb.delete", entry: entry(mac, b) },
      ]);
      expect(await seen()).toEqual([`${flood} ${b}`]);
    });

    test("sysctls belong to their namespace, and a name that is not there is refused", async () => {
      await makePair();
      const path = ["ipv4", "conf", "hd1", "proxy_arp"];
      for (let i = 0; i < 2; i++) await applyAll(host, [{ op: "sysctl.put", path, value: "1" }]);
      expect(await host.sysctl(path)).toBe("1");
      await applyAll(guest, [{ op: "sysctl.put", path: ["ipv4", "ip_forward"], value: "1" }]);
      expect(await guest.sysctl(["ipv4", "ip_forward"])).toBe("1");
      const none = { op: "sysctl.put", path: ["ipv4", "conf", "none", "proxy_arp"], value: "1" } as const;
      expect(await failure(none)).toMatchObject({ errno: "ENOENT" });
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
      const link = await addressed();
      await applyAll(host, [
        { op: "route.put", route: ours("10.74.0.0/16", { via: gateway }) },
        { op: "neighbour.put", neighbour: { link, ip: gateway, mac, permanent: true } },
        { op: "rule.put", rule: { family: 4, priority: 72, table: 7272, protocol: 72 } },
      ]);
      await expect.poll(() => [...seen].sort()).toEqual(["address", "link", "neighbour", "route", "rule"]);
      stop.abort();
      await reading;
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
