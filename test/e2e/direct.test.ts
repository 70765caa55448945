/** Which way packets go: hosts of one segment by plain routes, others by VXLAN, the world by the host's address. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { Sniffer } from "../lab/sniffer.ts";
import { type Member, Stage } from "../lab/stage.ts";

const router = "10.77.1.1";
/** Of Ethernet's 1500 less what VXLAN adds over IPv4. */
const mtu = 1450;

let stage: Stage;
let [h1, h2, far]: [Host, Host, Host] = [] as never;
let [own, sibling, near, remote]: [Member, Member, Member, Member] = [] as never;

beforeAll(async () => {
  stage = await Stage.open({ hosts: { h1: 1, h2: 1, far: 2 } });
  [h1, h2, far] = [stage.host("h1"), stage.host("h2"), stage.host("far")];
  [own, sibling] = [await stage.attach(h1), await stage.attach(h1)];
  [near, remote] = [await stage.attach(h2), await stage.attach(far)];
});
afterAll(() => stage?.dispose());

/** Waits until one container reaches an address: routes follow a claim of a block by a moment. */
async function reaches({ container }: Member, address: string, ...options: readonly string[]): Promise<void> {
  await waitFor(`${container.id} to reach ${address}`, async () => {
    const { status } = await container.runAsync(["ping", "-c1", "-W1", ...options, address]);
    return status === 0 || undefined;
  });
}

function ipv6Of({ result }: Member): string {
  return result.ips?.map(({ address }) => address.split("/")[0] ?? "").find((ip) => ip.includes(":")) ?? "";
}

/** The route that a host takes to an address. */
function way(host: Host, address: string): string {
  return host.run(["ip", "-o", "route", "get", address]);
}

describe("paths", () => {
  it("containers reach each other wherever they are, in both families", async () => {
    const all = [own, sibling, near, remote];
    for (const from of all)
      for (const to of all)
        if (from !== to) await Promise.all([reaches(from, to.ipv4), reaches(from, ipv6Of(to))]);
  });

  it("hosts of one segment use each other's address, hosts of another the tunnel", () => {
    expect(way(h1, near.ipv4)).toContain(`via ${h2.address} dev eth0`);
    expect(way(h2, own.ipv4)).toContain(`via ${h1.address} dev eth0`);
    expect(way(h1, remote.ipv4)).toContain("dev heddle0");
    expect(way(far, own.ipv4)).toContain("dev heddle0");
  });

  it("packets between hosts of one segment go bare, and keep their source", async () => {
    const sniffer = await Sniffer.start(h2.netns, "eth0", "icmp or udp port 4789");
    await reaches(own, near.ipv4);
    expect(await sniffer.seen("echo request")).toContain(`${own.ipv4} > ${near.ipv4}`);
    expect(sniffer.lines.filter((line) => line.includes("VXLAN"))).toEqual([]);
    await sniffer.stop();
  });

  it(`every container has the MTU that the longest way takes, ${mtu}, and packets of that size arrive`, async () => {
    for (const { container } of [own, near, remote])
      expect(container.run(["ip", "-o", "link", "show", "eth0"])).toContain(`mtu ${mtu}`);
    const payload = mtu - 28;
    for (const to of [sibling, near, remote]) await reaches(own, to.ipv4, "-M", "do", "-s", `${payload}`);
    expect(
      own.container.tryRun(["ping", "-c1", "-W1", "-M", "do", "-s", `${payload + 1}`, remote.ipv4]).status,
    ).not.toBe(0);
  });
});

describe("the world outside", () => {
  it("sees the host's address, not the container's", async () => {
    const sniffer = await Sniffer.start(stage.lab.path("core"), "s1", "icmp");
    await reaches(own, router);
    expect(await sniffer.seen("echo request")).toContain(`${h1.address} > ${router}`);
    expect(sniffer.lines.filter((line) => line.includes(own.ipv4))).toEqual([]);
    await sniffer.stop();
  });

  it("is not where addresses of the pool go that nobody has", () => {
    expect(h1.tryRun(["ip", "route", "get", "10.90.255.254"]).status).not.toBe(0);
  });
});

describe("the host itself", () => {
  /** Of the node, from the fabric's oldest network. */
  const ownAddresses = () => h1.run(["ip", "-o", "addr", "show", "dev", "heddle0", "scope", "global"]);

  it.each([
    ["IPv4", () => remote.ipv4],
    ["IPv6", () => ipv6Of(remote)],
  ])("reaches containers behind the tunnel over %s, and their answers come back in it", async (_, ip) => {
    const source = await waitFor("the host to have an address in the fabric", () => {
      const [, src = "none"] = / src (\S+)/.exec(way(h1, ip())) ?? [];
      return ownAddresses().includes(` ${src}/`) ? src : undefined;
    });
    const sniffer = await Sniffer.start(stage.lab.path("core"), "s1", "icmp or icmp6 or udp port 4789");
    await waitFor("an answer", async () => {
      const { status } = await h1.runAsync(["ping", "-c1", "-W1", ip()]);
      return status === 0 || undefined;
    });
    expect(await sniffer.seen("echo reply")).toContain(`${ip()} > ${source}`);
    const vxlan = sniffer.lines.filter((line) => line.includes("VXLAN")).length;
    const echoes = sniffer.lines.filter((line) => line.includes("echo re")).length;
    expect(vxlan).toBeGreaterThanOrEqual(echoes);
    await sniffer.stop();
  });

  it("keeps its addresses over a restart of the agent", async () => {
    const before = ownAddresses();
    expect(before).toMatch(/inet .*inet6 /s);
    await stage.fabric.agent(h1).killHard();
    await stage.startAgent(h1);
    expect(ownAddresses()).toBe(before);
  });
});

describe("a container that lies about its address", () => {
  it.each([
    ["of another container", () => near.ipv4],
    ["of the pool", () => "10.90.250.250"],
    ["of the world", () => "192.0.2.9"],
  ])("with one %s is heard by nobody", async (_, source) => {
    const lie = source();
    const sniffers = await Promise.all(
      [sibling, remote].map(({ container }) => Sniffer.start(container.netns, "eth0", "icmp")),
    );
    own.container.run(["ip", "addr", "add", `${lie}/32`, "dev", "lo"]);
    try {
      for (const to of [sibling, remote])
        await own.container.runAsync(["ping", "-c2", "-i0.1", "-W0.3", "-I", lie, to.ipv4]);
    } finally {
      own.container.run(["ip", "addr", "del", `${lie}/32`, "dev", "lo"]);
    }
    for (const to of [sibling, remote]) await reaches(own, to.ipv4);
    for (const sniffer of sniffers) {
      await sniffer.seen(`${own.ipv4} >`);
      expect(sniffer.lines.filter((line) => line.includes(lie))).toEqual([]);
      await sniffer.stop();
    }
  });
});

describe("what somebody takes away", () => {
  it.each([
    [
      "a route to a host of the segment",
      () => ["ip", "route", "del", /^\S+/.exec(blockRoute(h2.address))?.[0] ?? ""],
      () => near,
    ],
    ["the tunnel", () => ["ip", "link", "del", "heddle0"], () => remote],
    ["the route to a container", () => ["ip", "route", "del", `${own.ipv4}/32`], () => near],
    ["the nftables table", () => ["nft", "delete", "table", "inet", "heddle"], () => remote],
    ["forwarding", () => ["sysctl", "-qw", "net.ipv4.ip_forward=0"], () => remote],
  ])("%s is put back", async (what, command, to) => {
    const before = withoutLinkLocal(h1);
    h1.run(command());
    const startMs = performance.now();
    await waitFor("the host to be as before", () => {
      const now = new Set(withoutLinkLocal(h1));
      return before.every((line) => now.has(line)) || undefined;
    });
    console.info(`${what} was back after at most ${Math.round(performance.now() - startMs)} ms`);
    await reaches(to(), own.ipv4);
    await reaches(own, to().ipv4);
  });
});

describe("a cable", () => {
  it.each([
    ["of the same segment", () => h2, () => near],
    ["of another segment", () => far, () => remote],
  ])("that is cut, of a host %s, is missed only while it is cut", async (_, host, member) => {
    stage.lab.cable(host(), false);
    expect(own.container.tryRun(["ping", "-c1", "-W1", member().ipv4]).status).not.toBe(0);
    await reaches(own, sibling.ipv4);
    stage.lab.cable(host(), true);
    await reaches(own, member().ipv4);
    await reaches(member(), own.ipv4);
    const back = await stage.attach(host());
    await reaches(back, own.ipv4);
  });
});

/** What the host holds, but for what the kernel gives to a link that was made anew. */
function withoutLinkLocal(host: Host): readonly string[] {
  const lines = host.snapshot().map((line) => line.replace(/^\d+: /, ""));
  return lines.filter((line) => !line.includes("fe80:"));
}

/** Our route by a next hop. */
function blockRoute(hop: string): string {
  const routes = h1.run(["ip", "-o", "route", "show", "proto", "72"]).split("\n");
  return routes.find((route) => route.includes(`via ${hop} `)) ?? "";
}
