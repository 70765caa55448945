import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCidr, parseIp, parseMac, parseVni } from "../../addr/index.ts";
import { describeOperation, type KernelOperation, MemoryKernel, spreadMetric } from "../../kernel/index.ts";
import type { NodeDesired, RemoteNode } from "../desired.ts";
import { type AttachedEndpoint, attachEndpoint } from "../endpoint/index.ts";
import { observeSysctls } from "../host/sysctls.ts";
import { type NodeObserved, observe } from "../observed/observed.ts";
import { PathCache } from "../observed/path-cache.ts";
import { hostInterfaceName } from "../row/ownership.ts";
import { designNode } from "./design.ts";
import { planNode } from "./plan.ts";

const near: RemoteNode = {
  name: "n2",
  underlay: [parseIp("192.0.2.2"), parseIp("2001:db8::2")],
  vtepMac: parseMac("02:00:00:00:02:00"),
  vxlanPort: 4789,
  zone: "z",
  prefixes: [
    { network: "web", cidr: parseCidr("10.1.2.0/26") },
    { network: "web", cidr: parseCidr("fd00:1:2::/122") },
  ],
};
const far: RemoteNode = {
  ...near,
  name: "n3",
  underlay: [parseIp("198.51.100.3")],
  vtepMac: parseMac("02:00:00:00:03:00"),
  prefixes: [
    { network: "web", cidr: parseCidr("10.1.3.0/26") },
    { network: "web", cidr: parseCidr("fd00:1:3::/122") },
  ],
};

function nodeWith(fields: Partial<NodeDesired>, backend: "auto" | "direct" | "vxlan" = "auto"): NodeDesired {
  return {
    self: {
      name: "n1",
      underlay: [parseIp("192.0.2.1"), parseIp("2001:db8::1")],
      vtepMac: parseMac("02:00:00:00:01:00"),
      vni: parseVni(7272),
      vxlanPort: 4789,
      zone: "z",
    },
    networks: [
      {
        name: "web",
        pools: [parseCidr("10.1.0.0/16"), parseCidr("fd00:1::/32")],
        backend,
        masquerade: true,
        policy: "isolated",
      },
    ],
    remotes: [],
    endpoints: [],
    ...fields,
  };
}

/** A host with eth0 in 192.0.2.0/24 and 2001:db8::/64 and a default route. */
async function host(): Promise<MemoryKernel> {
  const kernel = new MemoryKernel();
  kernel.addDevice("eth0", { mtu: 1500 });
  const route = { to: parseCidr("0.0.0.0/0"), type: "unicast", protocol: 3, table: 254 } as const;
  await kernel.apply([
    { op: "address.put", link: "eth0", ip: parseIp("192.0.2.1"), prefix: 24 },
    { op: "address.put", link: "eth0", ip: parseIp("2001:db8::1"), prefix: 64 },
    { op: "route.put", route: { ...route, via: parseIp("192.0.2.254"), link: "eth0" } },
  ]);
  return kernel;
}

async function see(kernel: MemoryKernel, desired: NodeDesired): Promise<NodeObserved> {
  const tables = await observe(kernel, desired, new PathCache());
  return { ...tables, sysctls: await observeSysctls(kernel, desired, tables) };
}

async function planOn(kernel: MemoryKernel, desired: NodeDesired): Promise<readonly KernelOperation[]> {
  return planNode(desired, await see(kernel, desired));
}

async function words(kernel: MemoryKernel, operations: readonly KernelOperation[]): Promise<string[]> {
  const names = new Map((await kernel.links()).map((link) => [link.index, link.name]));
  return operations.map((operation) => describeOperation(operation, (index) => names.get(index)));
}

function metric(to: string): number {
  return spreadMetric(parseCidr(to)) ?? 0;
}

async function done(kernel: MemoryKernel, operations: readonly KernelOperation[]): Promise<void> {
  expect((await kernel.apply(operations)).filter((error) => error !== undefined)).toEqual([]);
}

/** All that is ours, in words, independent of indexes. */
async function ours(kernel: MemoryKernel, desired: NodeDesired): Promise<string[]> {
  const observed = await see(kernel, desired);
  return [...observed.rows.keys(), ...observed.links.map((link) => link.name)].sort();
}

async function endpointOn(kernel: MemoryKernel, id: string, address: string): Promise<AttachedEndpoint> {
  kernel.addNetns(`/run/netns/${id}`);
  return attachEndpoint(kernel, {
    containerId: id,
    ifname: "eth0",
    netns: `/run/netns/${id}`,
    hostIfname: hostInterfaceName(id, "eth0"),
    mac: parseMac("02:00:00:00:aa:01"),
    hostMac: parseMac("02:00:00:00:aa:02"),
    mtu: 1450,
    addresses: [parseIp(address)],
  });
}

describe("planNode", () => {
  it("routes to a node on the link directly and to another by VXLAN, neighbour and FDB before the route", async () => {
    const kernel = await host();
    const operations = await planOn(kernel, nodeWith({ remotes: [far, near] }));
    expect(await words(kernel, operations)).toEqual([
      "sysctl -w net/ipv4/ip_forward=1",
      "sysctl -w net/ipv6/conf/all/forwarding=1",
      "ip link add name heddle0 address 02:00:00:00:01:00 mtu 1450 alias heddle:vxlan type vxlan id 7272 dstport 4789 local 192.0.2.1 nolearning",
      "sysctl -w net/ipv4/conf/heddle0/rp_filter=2",
      "sysctl -w net/ipv6/conf/heddle0/accept_ra=0",
      "ip link set heddle0 up",
      "ip address replace 169.254.1.1/32 dev lo scope 253",
      "ip address replace 169.254.1.1/32 dev heddle0 scope 253",
      "ip neigh replace 198.51.100.3 lladdr 02:00:00:00:03:00 nud permanent dev heddle0",
      "ip neigh replace fe80::ff:fe00:300 lladdr 02:00:00:00:03:00 nud permanent dev heddle0",
      "bridge fdb replace 02:00:00:00:03:00 dev heddle0 dst 198.51.100.3 self permanent",
      "ip route replace unreachable 10.1.0.0/16 proto 72 metric 72000",
      "ip -6 route replace unreachable fd00:1::/32 proto 72 metric 72000",
      `ip route replace 10.1.2.0/26 via 192.0.2.2 dev eth0 proto 72 metric ${metric("10.1.2.0/26")}`,
      "ip -6 route replace fd00:1:2::/122 via 2001:db8::2 dev eth0 proto 72",
      `ip route replace 10.1.3.0/26 via 198.51.100.3 dev heddle0 proto 72 metric ${metric("10.1.3.0/26")} onlink`,
      "ip -6 route replace fd00:1:3::/122 via fe80::ff:fe00:300 dev heddle0 proto 72",
    ]);
  });

  it("does nothing the second time", async () => {
    const kernel = await host();
    const desired = nodeWith({
      remotes: [near, far],
      endpoints: [await endpointOn(kernel, "c1", "10.1.1.5")],
    });
    await done(kernel, await planOn(kernel, desired));
    expect(await planOn(kernel, desired)).toEqual([]);
  });

  it("has no VXLAN device while every node is on the link", async () => {
    const kernel = await host();
    const lines = await words(kernel, await planOn(kernel, nodeWith({ remotes: [near] })));
    expect(lines.filter((line) => line.includes("heddle0"))).toEqual([]);
  });

  it("takes a leaving node's route first, then FDB and neighbour", async () => {
    const kernel = await host();
    await done(kernel, await planOn(kernel, nodeWith({ remotes: [far, { ...near, name: "n4" }] }, "vxlan")));
    const operations = await planOn(kernel, nodeWith({ remotes: [{ ...near, name: "n4" }] }, "vxlan"));
    expect(await words(kernel, operations)).toEqual([
      `ip route del 10.1.3.0/26 via 198.51.100.3 dev heddle0 proto 72 metric ${metric("10.1.3.0/26")} onlink`,
      "ip -6 route del fd00:1:3::/122 via fe80::ff:fe00:300 dev heddle0 proto 72",
      "bridge fdb del 02:00:00:00:03:00 dev heddle0 dst 198.51.100.3 self",
      "ip neigh del 198.51.100.3 dev heddle0",
      "ip neigh del fe80::ff:fe00:300 dev heddle0",
    ]);
  });

  it("moves routes to their new way before the device goes", async () => {
    const kernel = await host();
    await done(kernel, await planOn(kernel, nodeWith({ remotes: [near] }, "vxlan")));
    const operations = await planOn(kernel, nodeWith({ remotes: [near] }, "direct"));
    expect(await words(kernel, operations)).toEqual([
      `ip route replace 10.1.2.0/26 via 192.0.2.2 dev eth0 proto 72 metric ${metric("10.1.2.0/26")}`,
      "ip -6 route replace fd00:1:2::/122 via 2001:db8::2 dev eth0 proto 72",
      "ip link del heddle0",
    ]);
  });

  it.each<[string, Partial<NodeDesired["self"]>]>([
    ["VNI", { vni: parseVni(7) }],
    ["port", { vxlanPort: 4790 }],
    ["MAC", { vtepMac: parseMac("02:00:00:00:01:99") }],
    ["local address", { underlay: [parseIp("192.0.2.9")] }],
  ])("makes the device anew, with its rows, when its %s is another", async (_what, change) => {
    const kernel = await host();
    const remote = { ...far, vxlanPort: change.vxlanPort ?? 4789 };
    const before = nodeWith({ remotes: [far] });
    await done(kernel, await planOn(kernel, before));
    const after = { ...before, remotes: [remote], self: { ...before.self, ...change } };
    const operations = await planOn(kernel, after);
    expect((await words(kernel, operations))[0]).toBe("ip link del heddle0");
    await done(kernel, operations);
    expect(await planOn(kernel, after)).toEqual([]);
    expect(await ours(kernel, after)).toContain("fdb heddle0 02:00:00:00:03:00");
  });

  it("gives the device the node's own addresses, from which the host itself sends", async () => {
    const kernel = await host();
    const plain = nodeWith({ remotes: [far] });
    await done(kernel, await planOn(kernel, plain));
    const withFabric = (...fabric: string[]): NodeDesired => {
      return { ...plain, self: { ...plain.self, fabric: fabric.map(parseIp) } };
    };
    const operations = await planOn(kernel, withFabric("10.1.1.0", "fd00:1:1::"));
    expect(await words(kernel, operations)).toEqual([
      "ip address replace 10.1.1.0/32 dev heddle0",
      "ip address replace fd00:1:1::/128 dev heddle0 nodad",
      `ip route replace 10.1.3.0/26 via 198.51.100.3 dev heddle0 src 10.1.1.0 proto 72 metric ${metric("10.1.3.0/26")} onlink`,
      "ip -6 route replace fd00:1:3::/122 via fe80::ff:fe00:300 dev heddle0 src fd00:1:1:: proto 72",
    ]);
    await done(kernel, operations);
    expect(await planOn(kernel, withFabric("10.1.1.0", "fd00:1:1::"))).toEqual([]);
    await done(kernel, await planOn(kernel, withFabric("10.1.1.64")));
    expect(await planOn(kernel, withFabric("10.1.1.64"))).toEqual([]);
    expect(await ours(kernel, plain)).not.toContain("address heddle0 10.1.1.0/32");
    await done(kernel, await planOn(kernel, plain));
    expect(await planOn(kernel, plain)).toEqual([]);
  });

  it("changes the device's MTU in place", async () => {
    const kernel = await host();
    const desired = nodeWith({ remotes: [far] });
    await done(kernel, await planOn(kernel, desired));
    await kernel.apply([{ op: "link.change", link: "eth0", change: { mtu: 9000 } }]);
    expect(await words(kernel, await planOn(kernel, desired))).toEqual([
      'ip link set heddle0 mtu 8950 alias "heddle:vxlan" up',
    ]);
  });

  it("never touches a foreign device of the name heddle0 and says so", async () => {
    const kernel = await host();
    kernel.addDevice("heddle0");
    const desired = nodeWith({ remotes: [near, far] });
    const operations = await planOn(kernel, desired);
    expect((await words(kernel, operations)).filter((line) => line.includes("heddle0"))).toEqual([]);
    expect(designNode(desired, await see(kernel, desired)).problems).toMatchObject([
      { what: "link heddle0", code: "OVERLAY_NAME_TAKEN" },
    ]);
  });

  it("reports a node off the link that only direct may reach", async () => {
    const kernel = await host();
    const desired = nodeWith({ remotes: [far] }, "direct");
    const { problems } = designNode(desired, await see(kernel, desired));
    expect(problems.map(({ what, code }) => `${what} ${code}`)).toEqual([
      "node n3 OVERLAY_REMOTE_UNREACHABLE",
      "node n3 OVERLAY_REMOTE_UNREACHABLE",
    ]);
  });

  it("never replaces a route that is not Heddle's", async () => {
    const kernel = await host();
    const route = { to: parseCidr("10.1.2.0/26"), type: "blackhole", protocol: 4, table: 254 } as const;
    await kernel.apply([{ op: "route.put", route }]);
    const desired = nodeWith({ remotes: [near] });
    expect((await words(kernel, await planOn(kernel, desired))).join()).not.toContain("10.1.2.0/26");
    expect(designNode(desired, await see(kernel, desired)).problems).toMatchObject([
      { what: "node n2", code: "OVERLAY_ROW_CONFLICT" },
    ]);
  });

  it("gives a row that two nodes ask for to the first by name, in whatever order they come", async () => {
    const kernel = await host();
    const twin = { ...near, name: "n9", underlay: [parseIp("192.0.2.9"), parseIp("2001:db8::9")] };
    const one = await words(kernel, await planOn(kernel, nodeWith({ remotes: [near, twin] })));
    expect(await words(kernel, await planOn(kernel, nodeWith({ remotes: [twin, near] })))).toEqual(one);
    expect(one).toContain(
      `ip route replace 10.1.2.0/26 via 192.0.2.2 dev eth0 proto 72 metric ${metric("10.1.2.0/26")}`,
    );
  });

  it("restores an endpoint's host rows and link state", async () => {
    const kernel = await host();
    const endpoint = await endpointOn(kernel, "c1", "10.1.1.5");
    const desired = nodeWith({ endpoints: [endpoint] });
    await done(kernel, await planOn(kernel, desired));
    const link = endpoint.hostIfname;
    await kernel.apply([{ op: "link.change", link, change: { up: false, mtu: 1300 } }]);
    expect(await words(kernel, await planOn(kernel, desired))).toEqual([
      `ip link set ${link} address 02:00:00:00:aa:02 mtu 1450 up`,
      `ip neigh replace 10.1.1.5 lladdr 02:00:00:00:aa:01 nud permanent dev ${link}`,
      `ip route replace 10.1.1.5/32 dev ${link} proto 72`,
    ]);
  });

  it("deletes host ends that nobody claims, but not spared ones", async () => {
    const kernel = await host();
    const endpoint = await endpointOn(kernel, "c1", "10.1.1.5");
    const desired = nodeWith({});
    await done(kernel, await planOn(kernel, nodeWith({ endpoints: [endpoint] })));
    const observed = await see(kernel, desired);
    expect(planNode(desired, observed, new Set([endpoint.hostIfname]))).toEqual([]);
    expect((await words(kernel, planNode(desired, observed))).at(-1)).toBe(
      `ip link del ${endpoint.hostIfname}`,
    );
  });

  it("keeps router advertisements on the underlay when it turns IPv6 forwarding on, and loosens rp_filter", async () => {
    const kernel = await host();
    await kernel.apply([
      { op: "sysctl.put", path: ["ipv6", "conf", "eth0", "accept_ra"], value: "1" },
      { op: "sysctl.put", path: ["ipv4", "conf", "all", "rp_filter"], value: "1" },
    ]);
    const lines = await words(kernel, await planOn(kernel, nodeWith({})));
    expect(lines.slice(0, 4)).toEqual([
      "sysctl -w net/ipv4/ip_forward=1",
      "sysctl -w net/ipv4/conf/eth0/rp_filter=2",
      "sysctl -w net/ipv6/conf/eth0/accept_ra=2",
      "sysctl -w net/ipv6/conf/all/forwarding=1",
    ]);
  });

  it("carries IPv4 blocks to a node without IPv4 underlay by an IPv6 next hop", async () => {
    const kernel = await host();
    const six = { ...far, underlay: [parseIp("2001:db8:9::3")] };
    const self = { ...nodeWith({}).self, underlay: [parseIp("2001:db8::1")] };
    await kernel.apply([
      {
        op: "route.put",
        route: {
          to: parseCidr("::/0"),
          type: "unicast",
          via: parseIp("2001:db8::ffff"),
          link: "eth0",
          protocol: 3,
          table: 254,
        },
      },
    ]);
    const lines = await words(kernel, await planOn(kernel, nodeWith({ self, remotes: [six] })));
    expect(lines).toContain(
      `ip route replace 10.1.3.0/26 via inet6 fe80::ff:fe00:300 dev heddle0 proto 72 metric ${metric("10.1.3.0/26")} onlink`,
    );
    expect(lines.find((line) => line.includes("type vxlan"))).toContain("mtu 1430");
  });
});

describe("planNode, whatever stood before", () => {
  const addresses = [
    "10.1.2.0/26",
    "10.1.3.0/26",
    "10.1.9.0/26",
    "fd00:1:2::/122",
    "203.0.113.0/24",
  ] as const;
  const noise = fc.record({
    to: fc.constantFrom(...addresses).map(parseCidr),
    protocol: fc.constantFrom(3, 4, 72),
    type: fc.constantFrom("unreachable" as const, "blackhole" as const),
    metric: fc.constantFrom(5, 72_000),
  });
  const remoteSets = fc.subarray([near, far, { ...far, name: "n5", underlay: [parseIp("198.51.100.5")] }]);
  const choices = fc.constantFrom("auto" as const, "direct" as const, "vxlan" as const);

  it("converges in one pass from any earlier state and leaves foreign rows", async () => {
    const states = fc.record({
      before: remoteSets,
      now: remoteSets,
      was: choices,
      is: choices,
      noise: fc.array(noise),
    });
    await fc.assert(
      fc.asyncProperty(states, async ({ before, now, was, is, noise }) => {
        const kernel = await host();
        await done(kernel, await planOn(kernel, nodeWith({ remotes: before }, was)));
        await kernel.apply(noise.map((row) => ({ op: "route.put", route: { ...row, table: 254 } })));
        const isForeign = ({ protocol }: { protocol: number }) => protocol !== 72;
        const foreign = (await kernel.routes()).filter(isForeign);
        const desired = nodeWith({ remotes: now }, is);
        await done(kernel, await planOn(kernel, desired));
        expect(await planOn(kernel, desired)).toEqual([]);
        expect((await kernel.routes()).filter(isForeign)).toEqual(expect.arrayContaining(foreign));
      }),
      { numRuns: 200 },
    );
  });

  it("gives the same rows in whatever order nodes come and go", async () => {
    const all = [near, far, { ...near, name: "n6", prefixes: [], vtepMac: parseMac("02:00:00:00:06:00") }];
    const goal = nodeWith({ remotes: all }, "vxlan");
    const straight = await host();
    await done(straight, await planOn(straight, goal));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.subarray(all), { maxLength: 4 }), async (steps) => {
        const kernel = await host();
        for (const remotes of [...steps, all.toReversed()]) {
          await done(kernel, await planOn(kernel, nodeWith({ remotes }, "vxlan")));
        }
        expect(await ours(kernel, goal)).toEqual(await ours(straight, goal));
      }),
      { numRuns: 100 },
    );
  });
});
