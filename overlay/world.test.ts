/** The data path on the real kernel: two hosts on a switch and a third behind a router, all below one world. */
import { execFileSync, spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ip, parseCidr, parseIp, parseMac, parseVni } from "../addr/index.ts";
import { type Kernel, openKernel } from "../kernel/index.ts";
import { requireWorld } from "../test/world.ts";
import type { NodeDesired, RemoteNode } from "./desired.ts";
import type { EndpointSpec } from "./endpoint/index.ts";
import type { HostState } from "./host/host-state.ts";
import { Reconciler } from "./reconcile/reconciler.ts";
import { hostInterfaceName } from "./row/ownership.ts";

requireWorld();

function run(command: string): string {
  const [program = "", ...args] = command.split(" ");
  return execFileSync(program, args, { encoding: "utf8" });
}

function inside(netns: string, command: string): { status: number | null; output: string } {
  const result = spawnSync("nsenter", [`--net=/run/netns/${netns}`, ...command.split(" ")], {
    encoding: "utf8",
  });
  return { status: result.status, output: result.stdout + result.stderr };
}

function ping(netns: string, target: string, ...options: string[]): boolean {
  return inside(netns, ["ping", "-n", "-c1", "-W1", ...options, target].join(" ")).status === 0;
}

/** Echo requests that a namespace has received, of both families. */
function echosAt(netns: string): number {
  const [names = "", values = ""] = inside(netns, "grep ^Icmp: /proc/net/snmp").output.split("\n");
  const ipv4 = Number(values.split(" ")[names.split(" ").indexOf("InEchos")]);
  const ipv6 = inside(netns, "grep Icmp6InEchos /proc/net/snmp6").output.trim().split(/\s+/).at(-1);
  return ipv4 + Number(ipv6);
}

interface Host {
  readonly name: string;
  readonly kernel: Kernel;
  readonly reconciler: Reconciler;
  readonly remote: RemoteNode;
}

/** h1 and h2 in 192.0.2.0/24, h3 in 198.51.100.0/24 behind the router. */
const underlay: Readonly<Record<string, readonly [address: string, gateway: string]>> = {
  h1: ["192.0.2.1/24", "192.0.2.254"],
  h2: ["192.0.2.2/24", "192.0.2.254"],
  h3: ["198.51.100.3/24", "198.51.100.254"],
};
let main: Kernel;
const hosts: Host[] = [];

function makeUnderlay(): void {
  run("ip netns add router");
  for (const [name, [address, gateway]] of Object.entries(underlay)) {
    run(`ip netns add ${name}`);
    run(`ip link add ${name} netns router type veth peer name eth0 netns ${name}`);
    run(`ip -n ${name} link set lo up`);
    run(`ip -n ${name} link set eth0 up`);
    run(`ip -n ${name} address add ${address} dev eth0`);
    run(`ip -n ${name} route add default via ${gateway}`);
    run(`ip -n router link set ${name} up`);
  }
  run("ip -n router link add switch type bridge");
  run("ip -n router link set switch up");
  for (const name of ["h1", "h2"]) run(`ip -n router link set ${name} master switch`);
  run("ip -n router address add 192.0.2.254/24 dev switch");
  run("ip -n router address add 198.51.100.254/24 dev h3");
  inside("router", "sysctl -qw net.ipv4.ip_forward=1");
}

async function openHost(name: string): Promise<Host> {
  const kernel = await main.inside(`/run/netns/${name}`);
  const number = Number(name.slice(1));
  const saved: HostState[] = [];
  const journal = {
    load: async () => saved.at(-1),
    save: async (state: HostState) => void saved.push(state),
  };
  const [address = ""] = underlay[name]?.[0].split("/") ?? [];
  const remote: RemoteNode = {
    name,
    underlay: [parseIp(address)],
    vtepMac: parseMac(`02:00:00:00:0${number}:00`),
    vxlanPort: 4789,
    zone: "z",
    prefixes: [
      { network: "web", cidr: parseCidr(`10.1.${number}.0/26`) },
      { network: "web", cidr: parseCidr(`fd00:1:${number}::/122`) },
    ],
  };
  return { name, kernel, remote, reconciler: new Reconciler({ kernel, journal }) };
}

function desiredOf(host: Host, backend: "auto" | "vxlan" = "auto"): NodeDesired {
  const { name, underlay: own, vtepMac, zone, vxlanPort } = host.remote;
  return {
    self: { name, underlay: own, vtepMac, vni: parseVni(7272), vxlanPort, zone },
    networks: [
      {
        name: "web",
        pools: [parseCidr("10.1.0.0/16"), parseCidr("fd00:1::/32")],
        backend,
        masquerade: true,
        policy: "isolated",
      },
    ],
    remotes: hosts.filter((other) => other !== host).map((other) => other.remote),
    endpoints: [],
  };
}

function specOf(host: Host, n: number): EndpointSpec {
  const number = host.name.slice(1);
  const containerId = `${host.name}c${n}`;
  return {
    containerId,
    ifname: "eth0",
    netns: `/run/netns/${containerId}`,
    hostIfname: hostInterfaceName(containerId, "eth0"),
    mac: parseMac(`02:00:00:0${number}:0${n}:01`),
    hostMac: parseMac(`02:00:00:0${number}:0${n}:02`),
    mtu: 1450,
    addresses: [parseIp(`10.1.${number}.${n}`), parseIp(`fd00:1:${number}::${n}`)],
  };
}

function addressOf(host: string, n: number, family: 4 | 6): Ip {
  return parseIp(family === 4 ? `10.1.${host.slice(1)}.${n}` : `fd00:1:${host.slice(1)}::${n}`);
}

/** What purge must bring back, without counters and times. */
function stateOf(netns: string): string {
  const commands = ["ip -br link", "ip -br address", "ip route show table all", "ip -6 route show table all"];
  const sysctls = "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv4.conf.eth0.rp_filter";
  const all = [...commands, sysctls, "nft list ruleset"].map((command) => inside(netns, command).output);
  return all.join("\n").replace(/ pref medium| expires \d+sec/g, "");
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, limitMs = 3000): Promise<number> {
  const startMs = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startMs > limitMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return performance.now() - startMs;
}

/** Figures for the reader of the test's output; the limits that are asserted leave room for a busy machine. */
function report(line: string): void {
  process.stdout.write(`${line}\n`);
}

const before = new Map<string, string>();

beforeAll(async () => {
  main = openKernel();
  makeUnderlay();
  for (const name of Object.keys(underlay)) hosts.push(await openHost(name));
  for (const name of Object.keys(underlay)) {
    const ownAddress = () => inside(name, "ip -6 address show dev eth0 -tentative").output.includes("fe80");
    await until("duplicate address detection", ownAddress, 10_000);
  }
  for (const name of Object.keys(underlay)) before.set(name, stateOf(name));
  for (const host of hosts) {
    for (const n of [1, 2]) {
      run(`ip netns add ${host.name}c${n}`);
      run(`ip -n ${host.name}c${n} link set lo up`);
      await host.reconciler.attach(specOf(host, n));
    }
    host.reconciler.setDesired(desiredOf(host));
    host.reconciler.start();
    expect((await host.reconciler.reconcileNow()).problems).toEqual([]);
  }
});

afterAll(async () => {
  for (const host of hosts) {
    await host.reconciler.stop();
    host.kernel.close();
  }
  main.close();
});

describe("an endpoint", () => {
  it.each([4, 6] as const)("reaches its neighbour on the same host by IPv%d", (family) => {
    expect(ping("h1c1", addressOf("h1", 2, family))).toBe(true);
  });

  it.each([4, 6] as const)("reaches a container on the same link by IPv%d", (family) => {
    expect(ping("h1c1", addressOf("h2", 1, family))).toBe(true);
  });

  it.each([4, 6] as const)("reaches a container behind a router by IPv%d", (family) => {
    expect(ping("h1c1", addressOf("h3", 1, family))).toBe(true);
    expect(ping("h3c2", addressOf("h2", 1, family))).toBe(true);
  });

  it("takes packets up to its MTU without fragmenting and no larger ones, also by VXLAN", () => {
    const [ip4, icmp] = [20, 8];
    const size = (bytes: number) => `${bytes - ip4 - icmp}`;
    for (const peer of ["h2", "h3"]) {
      expect(ping("h1c1", addressOf(peer, 1, 4), "-M", "do", "-s", size(1450))).toBe(true);
      expect(ping("h1c1", addressOf(peer, 1, 4), "-M", "do", "-s", size(1451))).toBe(false);
    }
  });

  it("reaches the gateway address, where the DNS listener is, and the world outside by the node's address", () => {
    expect(ping("h1c1", "169.254.1.1")).toBe(true);
    expect(ping("h1c1", "198.51.100.254")).toBe(true);
  });

  it("cannot speak with another's address, nor with the host's", () => {
    const spoofs = [
      ["10.1.1.2", "10.1.1.2/32"],
      ["203.0.113.7", "203.0.113.7/32"],
      ["192.0.2.1", "192.0.2.1/32"],
    ] as const;
    for (const [source, address] of spoofs) {
      run(`ip -n h1c1 address add ${address} dev eth0`);
      const heard = echosAt("h2c1");
      expect(ping("h1c1", "10.1.2.1", "-I", source)).toBe(false);
      expect(echosAt("h2c1"), source).toBe(heard);
      run(`ip -n h1c1 address del ${address} dev eth0`);
    }
    run("ip -n h1c1 address add fd00:1:1::2/128 dev eth0 nodad");
    const heard = echosAt("h2c1");
    expect(ping("h1c1", "fd00:1:2::1", "-I", "fd00:1:1::2")).toBe(false);
    expect(echosAt("h2c1")).toBe(heard);
    run("ip -n h1c1 address del fd00:1:1::2/128 dev eth0");
    expect(ping("h1c1", "fd00:1:2::1")).toBe(true);
    expect(echosAt("h2c1")).toBe(heard + 1);
  });

  it("answers the hosts of its fabric, by VXLAN as well", () => {
    for (const host of ["h1", "h2", "h3"]) expect(ping(host, "10.1.3.1"), host).toBe(true);
  });

  it("is told at once that an address of the pool is nobody's, instead of asking the default gateway", () => {
    expect(inside("h1c1", "ping -n -c1 -W1 10.1.77.7").output).toContain("Unreachable");
  });
});

describe("drift", () => {
  const link1 = hostInterfaceName("h1c1", "eth0");
  const losses: readonly (readonly [string, string])[] = [
    ["direct route", "ip route del 10.1.2.0/26"],
    ["VXLAN route", "ip route del 10.1.3.0/26"],
    ["IPv6 route", "ip -6 route del fd00:1:3::/122"],
    ["pool aggregate", "ip route del unreachable 10.1.0.0/16 metric 72000"],
    ["FDB entry", "bridge fdb del 02:00:00:00:03:00 dev heddle0 dst 198.51.100.3 self"],
    ["VXLAN neighbour", "ip neigh del 198.51.100.3 dev heddle0"],
    ["VXLAN device", "ip link del heddle0"],
    ["VXLAN device state", "ip link set heddle0 down"],
    ["endpoint route", "ip route del 10.1.1.1/32"],
    ["endpoint neighbour", `ip neigh replace 10.1.1.1 lladdr 02:00:00:00:00:99 nud permanent dev ${link1}`],
    ["endpoint link state", `ip link set ${link1} down`],
    ["endpoint gateway", `ip address del fe80::1/64 dev ${link1}`],
    ["endpoint MAC", `ip link set ${link1} address 02:00:00:00:00:98`],
    ["gateway address", "ip address del 169.254.1.1/32 dev lo"],
    ["foreign row of ours", "ip route add 10.1.99.0/26 via 192.0.2.2 proto 72"],
    ["nftables table", "nft delete table inet heddle"],
    ["nftables chain", "nft flush chain inet heddle antispoof"],
    ["forwarding setting", "sysctl -qw net.ipv4.ip_forward=0"],
    ["IPv6 forwarding setting", "sysctl -qw net.ipv6.conf.all.forwarding=0"],
  ];

  it.each(losses)("of a %s is repaired", async (what, command) => {
    const [h1] = hosts;
    const done = h1?.reconciler.status.operations ?? 0;
    expect(inside("h1", command)).toEqual({ status: 0, output: "" });
    const repairedMs = await until(`repair ${what}`, () => (h1?.reconciler.status.operations ?? 0) > done);
    report(`repaired ${what} after ${repairedMs.toFixed(0)} ms`);
    const plan = await h1?.reconciler.dryRun();
    expect(plan?.words).toEqual([]);
    expect(plan?.ruleset).toBeUndefined();
    await until(
      "ways",
      () => ping("h1c1", "10.1.3.1") && ping("h1c1", "fd00:1:3::1") && ping("h1c1", "10.1.2.1"),
    );
  });
});

describe("a change of backend", () => {
  it("moves every way to VXLAN and back", async () => {
    for (const backend of ["vxlan", "auto"] as const) {
      for (const host of hosts) {
        host.reconciler.setDesired(desiredOf(host, backend));
        expect((await host.reconciler.reconcileNow()).problems).toEqual([]);
      }
      const device = backend === "vxlan" ? "heddle0" : "eth0";
      expect(inside("h1", "ip route get 10.1.2.1").output).toContain(`dev ${device}`);
      for (const family of [4, 6] as const) expect(ping("h1c1", addressOf("h2", 1, family))).toBe(true);
    }
  });
});

describe("the cost of an endpoint", () => {
  it("is a few milliseconds to attach and to detach", async () => {
    const [h1] = hosts;
    if (!h1) throw new Error("no host");
    run("ip netns add h1c3");
    const spec = specOf(h1, 3);
    const attachMs: number[] = [];
    const detachMs: number[] = [];
    for (let i = 0; i < 20; i++) {
      const startMs = performance.now();
      await h1.reconciler.attach(spec);
      const attachedMs = performance.now();
      await h1.reconciler.detach(spec);
      attachMs.push(attachedMs - startMs);
      detachMs.push(performance.now() - attachedMs);
      await until("reaping", async () => (await h1.kernel.link(spec.hostIfname)) === undefined);
    }
    const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]?.toFixed(2);
    report(`attach ${median(attachMs)} ms, detach ${median(detachMs)} ms (medians of ${attachMs.length})`);
    expect(ping("h1c1", "10.1.1.3")).toBe(false);
  });
});

describe("a container that comes and goes", () => {
  const id = "h1c4";

  /** As a CNI runtime does it, which waits for nothing but the answer. */
  it("is attached again right after its detachment, into the same namespace", async () => {
    const [h1] = hosts;
    if (!h1) throw new Error("no host");
    run(`ip netns add ${id}`);
    const spec = specOf(h1, 4);
    for (let i = 0; i < 5; i++) {
      await h1.reconciler.attach(spec);
      await h1.reconciler.check(spec);
      await h1.reconciler.detach(spec);
    }
    const other = { ...spec, containerId: "again", hostIfname: hostInterfaceName("again", "eth0") };
    await h1.reconciler.attach(other);
    await h1.reconciler.check(other);
    expect(ping("h1c1", addressOf("h1", 4, 4))).toBe(true);
    await h1.reconciler.detach(other);
  });

  it("may lose its namespace before its link is deleted, and come back in a new one", async () => {
    const [h1] = hosts;
    if (!h1) throw new Error("no host");
    const spec = specOf(h1, 4);
    for (const isQuick of [true, false]) {
      await h1.reconciler.attach(spec);
      await h1.reconciler.detach(spec);
      run(`ip netns del ${id}`);
      if (!isQuick)
        await until("its link goes", async () => (await h1.kernel.link(spec.hostIfname)) === undefined);
      run(`ip netns add ${id}`);
      await h1.reconciler.attach(spec);
      await h1.reconciler.check(spec);
      expect(ping("h1c1", addressOf("h1", 4, 4))).toBe(true);
      await h1.reconciler.detach(spec);
    }
    run(`ip netns del ${id}`);
    await h1.reconciler.detach(spec);
    await until("its link goes", async () => (await h1.kernel.link(spec.hostIfname)) === undefined);
    expect((await h1.reconciler.reconcileNow()).problems).toEqual([]);
  });
});

describe("purge", () => {
  it("leaves each host as it was before", async () => {
    for (const host of hosts) {
      expect((await host.reconciler.purge()).problems).toEqual([]);
      expect(stateOf(host.name)).toBe(before.get(host.name));
    }
  });
});
