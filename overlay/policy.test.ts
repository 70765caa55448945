/**
 * Which network's containers reach whom, on the real kernel: two hosts and a stranger on a switch, a container of
 * each network on each host, and a ping from each to all.
 */
import { spawn, spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Ip, parseCidr, parseIp, parseMac, parseVni } from "../addr/index.ts";
import { type Kernel, openKernel } from "../kernel/index.ts";
import { requireWorld } from "../test/world.ts";
import type { FabricNetwork, NetworkPolicy, NodeDesired, RemoteNode } from "./desired.ts";
import { Reconciler } from "./reconcile/reconciler.ts";
import { hostInterfaceName } from "./row/ownership.ts";

requireWorld();

const policies: readonly NetworkPolicy[] = ["isolated", "isolated", "open", "open", "internal"];
const networks = policies.map((policy, i): FabricNetwork => {
  const pools = [parseCidr(`10.${i}.0.0/16`.replace("10.0.", "10.9.")), parseCidr(`fd00:${i}::/32`)];
  return { name: `n${i}`, pools, backend: "auto", masquerade: true, policy };
});
const hostNumbers = [1, 2];

interface Container {
  readonly name: string;
  readonly host: number;
  readonly network: number;
  readonly addresses: readonly Ip[];
}

const containers = hostNumbers.flatMap((host) =>
  networks.map(({ pools }, network): Container => {
    const [first = "", second = ""] = pools.map((cidr) => cidr.split("/")[0] ?? "");
    const ipv4 = parseIp(first.replace(".0.0", `.${host}.1`));
    return {
      name: `p${host}c${network}`,
      host,
      network,
      addresses: [ipv4, parseIp(`${second}${host}`)],
    };
  }),
);

let main: Kernel;
const opened: { readonly kernel: Kernel; readonly reconciler: Reconciler }[] = [];

function run(command: string): void {
  const [program = "", ...args] = command.split(" ");
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
}

function pings(netns: string, target: string): Promise<boolean> {
  const command = ["ping", "-n", "-c1", "-W1", target];
  const child = spawn("nsenter", [`--net=/run/netns/${netns}`, ...command], { stdio: "ignore" });
  return new Promise((resolve) => child.on("close", (status) => resolve(status === 0)));
}

function addEther(netns: string, number: number): void {
  run(`ip netns add ${netns}`);
  run(`ip link add ${netns} type veth peer name eth0 netns ${netns}`);
  run(`ip link set ${netns} up master switch`);
  for (const link of ["lo", "eth0"]) run(`ip -n ${netns} link set ${link} up`);
  run(`ip -n ${netns} address add 192.0.2.${number}/24 dev eth0`);
  run(`ip -n ${netns} address add fd99::${number}/64 dev eth0 nodad`);
}

function remoteOf(host: number): RemoteNode {
  return {
    name: `p${host}`,
    underlay: [parseIp(`192.0.2.${host}`), parseIp(`fd99::${host}`)],
    vtepMac: parseMac(`02:00:00:00:0${host}:00`),
    vxlanPort: 4789,
    zone: "z",
    prefixes: containers
      .filter((each) => each.host === host)
      .flatMap(({ network, addresses }) =>
        addresses.map((ip) => ({
          network: `n${network}`,
          cidr: parseCidr(`${ip}/${ip.includes(":") ? 128 : 32}`),
        })),
      ),
  };
}

async function openHost(host: number): Promise<void> {
  const kernel = await main.inside(`/run/netns/p${host}`);
  const reconciler = new Reconciler({
    kernel,
    journal: { load: async () => undefined, save: async () => undefined },
  });
  for (const { name, network, addresses } of containers.filter((each) => each.host === host)) {
    run(`ip netns add ${name}`);
    run(`ip -n ${name} link set lo up`);
    await reconciler.attach({
      containerId: name,
      ifname: "eth0",
      netns: `/run/netns/${name}`,
      hostIfname: hostInterfaceName(name, "eth0"),
      mac: parseMac(`02:00:00:0${host}:0${network}:01`),
      hostMac: parseMac(`02:00:00:0${host}:0${network}:02`),
      mtu: 1450,
      addresses,
    });
  }
  const { prefixes: _, ...node } = remoteOf(host);
  const desired: NodeDesired = {
    self: { ...node, vni: parseVni(7272) },
    networks,
    remotes: hostNumbers.filter((other) => other !== host).map(remoteOf),
    endpoints: [],
  };
  reconciler.setDesired(desired);
  reconciler.start();
  expect((await reconciler.reconcileNow()).problems).toEqual([]);
  opened.push({ kernel, reconciler });
}

beforeAll(async () => {
  main = openKernel();
  run("ip link add switch type bridge");
  run("ip link set switch up");
  addEther("stranger", 9);
  for (const host of hostNumbers) addEther(`p${host}`, host);
  for (const host of hostNumbers) await openHost(host);
  for (const { addresses, host } of containers)
    for (const ip of addresses)
      run(
        `ip -n stranger route add ${ip} via ${ip.includes(":") ? `fd99::${host}` : `192.0.2.${host}`} dev eth0`,
      );
  await vi.waitFor(async () => expect(await pings("p1c0", "fd00:0::2")).toBe(true), 10_000);
});

afterAll(async () => {
  for (const { reconciler, kernel } of opened) {
    await reconciler.stop();
    kernel.close();
  }
  main.close();
});

function mayReach(from: number, to: number): boolean {
  return from === to || (policies[from] === "open" && policies[to] === "open");
}

/** Every pair at once: what is not answered costs a second. */
async function matrix(sources: readonly string[], targets: readonly string[]): Promise<string[]> {
  const pairs = sources.flatMap((source) => targets.map((target) => [source, target] as const));
  const reached = await Promise.all(
    pairs.map(async ([source, target]) => [`${source} → ${target}`, await pings(source, target)] as const),
  );
  return reached.filter(([, isReached]) => isReached).map(([pair]) => pair);
}

test.each(hostNumbers)(
  "containers of host %d reach those that their policies let them",
  async (host) => {
    const own = containers.filter((each) => each.host === host);
    const wanted = own.flatMap((from) =>
      containers
        .filter(({ network }) => mayReach(from.network, network))
        .flatMap(({ addresses }) => addresses.map((ip) => `${from.name} → ${ip}`)),
    );
    const all = containers.flatMap(({ addresses }) => addresses);
    const reached = await matrix(
      own.map(({ name }) => name),
      all,
    );
    expect(reached.toSorted()).toEqual(wanted.toSorted());
  },
  30_000,
);

test("only internal ones do not reach the outside, other hosts, or what their own host listens on", async () => {
  for (const outside of ["192.0.2.9", "fd99::9", "192.0.2.2", "192.0.2.1", "fd99::1"]) {
    const reached = await matrix(["p1c0", "p1c2", "p1c4"], [outside]);
    expect(reached).toEqual([`p1c0 → ${outside}`, `p1c2 → ${outside}`]);
  }
});

test("all reach their gateway, where names are answered", async () => {
  expect(await matrix(["p1c0", "p1c2", "p1c4"], ["169.254.1.1"])).toHaveLength(3);
});

test("the outside reaches all but internal ones, their own host reaches them too", async () => {
  const all = containers.filter(({ host }) => host === 1).flatMap(({ addresses }) => addresses);
  const internal = containers.find(({ name }) => name === "p1c4")?.addresses ?? [];
  const open = all.filter((ip) => !internal.includes(ip));
  expect(await matrix(["stranger"], all)).toEqual(open.map((ip) => `stranger → ${ip}`));
  expect(await matrix(["p1"], all)).toHaveLength(all.length);
});
