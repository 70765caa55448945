import { describe, expect, it } from "vitest";
import { parseIp, parseMac } from "../../addr/index.ts";
import { type Kernel, MemoryKernel } from "../../kernel/index.ts";
import { rowsOf } from "../observed/observed-rows.ts";
import { endpointAlias, hostInterfaceName, peerInterfaceName } from "../row/ownership.ts";
import { rowText } from "../row/row.ts";
import { attachEndpoint } from "./attach.ts";
import { checkEndpoint } from "./check.ts";
import { detachEndpoint, withdrawEndpoint } from "./detach.ts";
import type { EndpointSpec } from "./spec.ts";

const netns = "/run/netns/c1";
const hostIfname = hostInterfaceName("c1", "eth0");
const spec: EndpointSpec = {
  containerId: "c1",
  ifname: "eth0",
  netns,
  hostIfname,
  mac: parseMac("02:00:00:00:00:01"),
  hostMac: parseMac("02:00:00:00:00:02"),
  mtu: 1450,
  addresses: [parseIp("10.1.0.5"), parseIp("fd00::5")],
};

function world(): { host: MemoryKernel; container: MemoryKernel } {
  const host = new MemoryKernel();
  return { host, container: host.addNetns(netns) };
}

/** Everything in a namespace, in words. */
async function stateOf(kernel: Kernel): Promise<string[]> {
  const links = await kernel.links();
  const [addresses, routes, neighbours] = [
    await kernel.addresses(),
    await kernel.routes({ table: 254 }),
    await kernel.neighbours(),
  ];
  const rows = rowsOf({ links, addresses, routes, neighbours, fdb: [] });
  return [...links.map((link) => `link ${link.name} mtu ${link.mtu}`), ...[...rows].map(rowText)].sort();
}

describe("attachEndpoint", () => {
  it("programs the host and the container", async () => {
    const { host, container } = world();
    await attachEndpoint(host, spec);
    expect((await stateOf(host)).filter((text) => text.includes(hostIfname))).toEqual([
      `address fe80::1/64 dev ${hostIfname}`,
      `link ${hostIfname} mtu 1450`,
      `neigh 10.1.0.5 dev ${hostIfname} lladdr 02:00:00:00:00:01 permanent`,
      `neigh fd00::5 dev ${hostIfname} lladdr 02:00:00:00:00:01 permanent`,
      `route 10.1.0.5/32 dev ${hostIfname} proto 72 scope link metric 0`,
      `route fd00::5/128 dev ${hostIfname} proto 72 scope global metric 1024`,
      `route fe80::/64 dev ${hostIfname} proto 2 scope global metric 256`,
    ]);
    expect(await stateOf(container)).toEqual(
      expect.arrayContaining([
        "address 10.1.0.5/32 dev eth0",
        "address fd00::5/128 dev eth0",
        "link eth0 mtu 1450",
        "neigh 169.254.1.1 dev eth0 lladdr 02:00:00:00:00:02 permanent",
        "neigh fe80::1 dev eth0 lladdr 02:00:00:00:00:02 permanent",
        "route 169.254.1.1/32 dev eth0 proto 3 scope link metric 0",
        "route 0.0.0.0/0 via 169.254.1.1 dev eth0 proto 3 scope global metric 0 onlink",
        "route ::/0 via fe80::1 dev eth0 proto 3 scope global metric 1024",
      ]),
    );
  });

  it("gives one gateway per family of the addresses", async () => {
    const attached = await attachEndpoint(world().host, spec);
    expect(attached.gateways).toEqual(["169.254.1.1", "fe80::1"]);
    expect(JSON.parse(JSON.stringify(attached))).toEqual(attached);
  });

  it("answers the same and changes nothing when repeated", async () => {
    const { host, container } = world();
    const first = await attachEndpoint(host, spec);
    const before = [await host.links(), await stateOf(host), await stateOf(container)];
    expect(await attachEndpoint(host, spec)).toEqual(first);
    expect([await host.links(), await stateOf(host), await stateOf(container)]).toEqual(before);
  });

  it("makes the pair anew when the other end went to another namespace", async () => {
    const { host } = world();
    await attachEndpoint(host, spec);
    const other = host.addNetns("/run/netns/c2");
    await attachEndpoint(host, { ...spec, netns: "/run/netns/c2" });
    expect(await other.link("eth0")).toMatchObject({ mac: spec.mac, up: true });
    expect((await host.links()).filter((link) => link.name === hostIfname)).toHaveLength(1);
  });

  it("leaves nothing behind whichever step fails", async () => {
    const steps = await (async () => {
      const { host } = world();
      await attachEndpoint(host, spec);
      return host.applied;
    })();
    for (let nth = 1; nth <= steps; nth++) {
      const { host, container } = world();
      const before = [await stateOf(host), await stateOf(container)];
      host.failAt(nth, "ENOMEM");
      await expect(attachEndpoint(host, spec), `step ${nth}`).rejects.toMatchObject({
        code: "OVERLAY_ATTACH_FAILED",
      });
      expect([await stateOf(host), await stateOf(container)], `step ${nth}`).toEqual(before);
    }
    expect(steps).toBeGreaterThan(10);
  });

  describe("after a process that was killed before it could mark the link it had made", () => {
    async function halfMade(): Promise<ReturnType<typeof world>> {
      const hosts = world();
      const { hostIfname: name, hostMac: mac, mtu } = spec;
      const peer = { name: spec.ifname, mac: spec.mac, mtu, netns };
      await hosts.host.apply([{ op: "link.create", link: { kind: "veth", name, mac, mtu, peer } }]);
      return hosts;
    }

    it("makes it anew", async () => {
      const { host } = await halfMade();
      await checkEndpoint(host, await attachEndpoint(host, spec));
    });

    it("detaches it", async () => {
      const { host, container } = await halfMade();
      await detachEndpoint(host, { hostIfname, addresses: [], netns });
      expect([await host.link(hostIfname), await container.link("eth0")]).toEqual([undefined, undefined]);
    });
  });

  it("refuses a host link that is not Heddle's and leaves it", async () => {
    const { host } = world();
    host.addDevice(hostIfname);
    const before = await stateOf(host);
    await expect(attachEndpoint(host, spec)).rejects.toMatchObject({ code: "OVERLAY_NAME_TAKEN" });
    expect(await stateOf(host)).toEqual(before);
  });

  it("turns IPv6 off on the host end of an IPv4 endpoint", async () => {
    const { host } = world();
    await attachEndpoint(host, { ...spec, addresses: [parseIp("10.1.0.5")] });
    expect(await host.sysctl(["ipv6", "conf", hostIfname, "disable_ipv6"])).toBe("1");
  });
});

describe("detachEndpoint", () => {
  it("leaves both namespaces as before attach, and succeeds again", async () => {
    const { host, container } = world();
    const before = [await stateOf(host), await stateOf(container)];
    await attachEndpoint(host, spec);
    await detachEndpoint(host, spec);
    await detachEndpoint(host, spec);
    expect([await stateOf(host), await stateOf(container)]).toEqual(before);
  });

  it("succeeds when the namespace is gone", async () => {
    const { host } = world();
    await attachEndpoint(host, spec);
    host.removeNetns(netns);
    await detachEndpoint(host, spec);
    expect(await host.link(hostIfname)).toBeUndefined();
  });

  it("withdraws the routes first and keeps those of another link", async () => {
    const { host } = world();
    await attachEndpoint(host, spec);
    const other = { ...spec, containerId: "c2", hostIfname: hostInterfaceName("c2", "eth0") };
    host.addNetns("/run/netns/c2");
    await attachEndpoint(host, { ...other, netns: "/run/netns/c2" });
    expect(await withdrawEndpoint(host, spec)).toBe((await host.link(hostIfname))?.index);
    expect((await stateOf(host)).filter((text) => text.startsWith("route 10.1.0.5/32"))).toEqual([
      `route 10.1.0.5/32 dev ${other.hostIfname} proto 72 scope link metric 0`,
    ]);
  });

  it("never touches a link that is not Heddle's", async () => {
    const { host } = world();
    host.addDevice(hostIfname);
    await detachEndpoint(host, spec);
    expect(await host.link(hostIfname)).toBeDefined();
  });
});

describe("checkEndpoint", () => {
  it("is content after attach", async () => {
    const { host } = world();
    await attachEndpoint(host, spec);
    await expect(checkEndpoint(host, spec)).resolves.toBeUndefined();
  });

  it("names each row that is missing", async () => {
    const { host, container } = world();
    await attachEndpoint(host, spec);
    await host.apply([
      { op: "neighbour.delete", neighbour: { link: hostIfname, ip: parseIp("10.1.0.5"), permanent: true } },
    ]);
    await container.apply([{ op: "link.change", link: "eth0", change: { mtu: 1400 } }]);
    await expect(checkEndpoint(host, spec)).rejects.toMatchObject({
      code: "OVERLAY_ENDPOINT_DRIFT",
      details: {
        missing: [
          `host: neigh 10.1.0.5 dev ${hostIfname} lladdr 02:00:00:00:00:01 permanent`,
          "container: link eth0 mtu 1450",
        ],
      },
    });
  });

  it("names the link when it is gone", async () => {
    const { host } = world();
    await expect(checkEndpoint(host, spec)).rejects.toMatchObject({
      details: { missing: [`host: link ${hostIfname}`, "container: link eth0"] },
    });
  });
});

describe("names", () => {
  it("fit into 15 characters and differ by container and interface", () => {
    const names = [
      hostInterfaceName("a", "eth0"),
      hostInterfaceName("a", "eth1"),
      hostInterfaceName("b", "eth0"),
    ];
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^hd[0-9a-f]{12}$/);
  });

  it("keep the alias below what the kernel takes", () => {
    expect(endpointAlias("x".repeat(400), "eth0")).toHaveLength(255);
    expect(endpointAlias("abc", "eth0")).toBe("heddle:abc/eth0");
  });
});

describe("an endpoint that is handed over", () => {
  const peerIfname = peerInterfaceName(hostIfname);
  const gateways = [parseIp("169.254.1.2"), parseIp("fe80::2")];
  const handed: EndpointSpec = { ...spec, netns: "/not/visible/here", handover: { peerIfname, gateways } };

  it("has its gateways on the host end, and a peer that waits without addresses", async () => {
    const { host } = world();
    const attached = await attachEndpoint(host, handed);
    expect(attached.gateways).toEqual(gateways);
    const texts = await stateOf(host);
    expect(texts).toContain(`address 169.254.1.2/32 dev ${hostIfname}`);
    expect(texts).toContain(`address fe80::2/64 dev ${hostIfname}`);
    expect(texts).toContain(`route 10.1.0.5/32 dev ${hostIfname} proto 72 scope link metric 0`);
    expect(texts.filter((text) => text.includes(`dev ${peerIfname}`))).toEqual([]);
    expect((await host.link(peerIfname))?.mac).toBe(spec.mac);
    await expect(checkEndpoint(host, handed)).resolves.toBeUndefined();
  });

  it("keeps its pair when attached again, wherever the peer is by now", async () => {
    const { host, container } = world();
    await attachEndpoint(host, handed);
    const index = (await host.link(hostIfname))?.index;
    await host.apply([{ op: "link.change", link: peerIfname, change: { netns } }]);
    await attachEndpoint(host, handed);
    expect((await host.link(hostIfname))?.index).toBe(index);
    expect(await container.link(peerIfname)).toBeDefined();
  });

  it("goes with its peer, also when the runtime gave that back", async () => {
    const { host } = world();
    const before = await stateOf(host);
    await attachEndpoint(host, handed);
    await detachEndpoint(host, handed);
    expect(await stateOf(host)).toEqual(before);
  });
});
