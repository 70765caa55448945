/** What every kernel keeps to with addresses, routes, neighbours, rules and forwarding rows. */
import { describe, expect, test } from "vitest";
import { type Ip, parseCidr, parseIp } from "../../addr/index.ts";
import { applyAll, type Kernel, type KernelOperation, type RouteSpec } from "../../kernel/index.ts";
import {
  addressed,
  eachTest,
  failure,
  gateway,
  mac,
  type OpenKernels,
  ours,
  oursOf,
} from "./kernel-subject.ts";

export function rowContract(name: string, open: OpenKernels): void {
  describe(`${name} keeps rows`, () => {
    let host: Kernel;
    eachTest(open, (opened) => {
      ({ host } = opened);
    });

    test("every put may be done twice, every delete also when there is nothing", async () => {
      const link = await addressed(host);
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
      expect(await failure(host, { op: "neighbour.put", neighbour: row })).toMatchObject({ errno: "ENODEV" });
      expect(
        await failure(host, { op: "route.put", route: ours("10.1.0.0/16", { link: "none" }) }),
      ).toMatchObject({
        errno: "ENODEV",
      });
      expect(await failure(host, { op: "link.change", link: "none", change: { up: true } })).toMatchObject({
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
      const linkIndex = await addressed(host);
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
      const link = await addressed(host);
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
        await addressed(host);
        const route = ours("10.58.0.0/16", fields as Partial<RouteSpec>);
        expect(await failure(host, { op: "route.put", route })).toEqual({ errno, sentence });
        expect(await oursOf(host)).toEqual([]);
      },
    );

    test("an IPv6 next hop that is not on a link is refused", async () => {
      await addressed(host);
      const route = ours("fd58::/64", { via: parseIp("fd99::1") });
      expect(await failure(host, { op: "route.put", route })).toMatchObject({ errno: "EHOSTUNREACH" });
    });

    test("a link that goes down loses its routes and neighbours, and takes none", async () => {
      const link = await addressed(host);
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
        failure(host, { op: "route.put", route: ours(to, { link, ...fields }) });
      const down = { errno: "ENETDOWN", sentence: "Nexthop device is not up" };
      expect(await put({})).toEqual({ ...down, sentence: "Device for nexthop is not up" });
      expect(await put({ via: gateway, onlink: true })).toEqual(down);
      expect(await put({ via: gateway })).toMatchObject({ errno: "ENETUNREACH" });
      expect(await put({}, "fd59::/64")).toEqual(down);
      await applyAll(host, [{ op: "link.change", link, change: { up: true } }]);
      expect(await host.routeTo(gateway)).toMatchObject({ linkIndex: link });
    });

    test("a failing operation does not keep the later ones from being done", async () => {
      const link = await addressed(host);
      const outcome = await host.apply([
        { op: "route.put", route: ours("10.71.0.0/16", { via: gateway, link }) },
        { op: "route.put", route: ours("10.72.0.0/16", { via: parseIp("10.99.0.1") }) },
        { op: "route.put", route: ours("10.73.0.0/16", { via: gateway, link }) },
      ]);
      expect(outcome.map((error) => error?.code)).toEqual([undefined, "KERNEL_REFUSED", undefined]);
      expect((await oursOf(host)).map((route) => route.to)).toEqual(["10.71.0.0/16", "10.73.0.0/16"]);
    });

    test("routeTo answers the way, and refuses what has none", async () => {
      const linkIndex = await addressed(host);
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
  });
}
