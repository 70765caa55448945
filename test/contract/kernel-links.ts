/** What every kernel keeps to with links, and with what is on them. */
import { describe, expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { applyAll, type Kernel, type KernelOperation } from "../../kernel/index.ts";
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
  oursOf,
  pair,
} from "./kernel-subject.ts";

export function linkContract(name: string, open: OpenKernels): void {
  describe(`${name} keeps links`, () => {
    let fixture: KernelFixture;
    let host: Kernel;
    let guest: Kernel;
    eachTest(open, (opened) => {
      fixture = opened;
      ({ host, guest } = opened);
    });

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
      await makePair(host);
      const again = { ...pair, link: { ...pair.link, alias: "heddle:other" } } as KernelOperation;
      expect(await failure(host, again)).toMatchObject({ errno: "EEXIST" });
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
      expect(await failure(host, { op: "link.create", link: second })).toMatchObject({ errno: "EEXIST" });
      await applyAll(host, [{ op: "link.change", link: "vx7", change: { masterIndex: 0 } }]);
      expect((await host.link("vx7"))?.masterIndex).toBeUndefined();
    });

    test("changing a link twice is changing it once", async () => {
      const index = await makePair(host);
      const change = { mac, mtu: 1300, alias: "heddle:new", up: false };
      for (let i = 0; i < 2; i++) await applyAll(host, [{ op: "link.change", link: index, change }]);
      expect(await host.link("hd1")).toMatchObject(change);
      await applyAll(host, [{ op: "link.change", link: index, change: { name: "hd9", alias: "" } }]);
      const renamed = await host.link("hd9");
      expect(renamed?.index).toBe(index);
      expect(renamed?.alias).toBeUndefined();
    });

    test("a link moves to another namespace", async () => {
      await makePair(host);
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
      const index = await addressed(host);
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
      await expect.poll(() => host.link("hd3")).toBeUndefined();
    });
  });
}
