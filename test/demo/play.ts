/** The demonstration itself, on two hosts with a router between them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CniRuntime } from "../lab/cni-runtime.ts";
import { waitFor } from "../lab/command.ts";
import type { Container } from "../lab/container.ts";
import { Fabric } from "../lab/fabric.ts";
import type { Host } from "../lab/host.ts";
import { Lab } from "../lab/lab.ts";
import { type Capture, captureVxlan } from "./capture.ts";
import { expectThat, Script } from "./script.ts";

const checkIntervalMs = 1000;
/** What a failing instance may take to leave DNS beyond its check interval. */
const removalGraceMs = 100;
const httpPort = 8080;

interface Member {
  readonly host: Host;
  readonly container: Container;
  ipv4: string;
  ipv6: string;
}

export async function playDemo(json: boolean): Promise<boolean> {
  const script = new Script(json);
  const www = mkdtempSync(join(tmpdir(), "heddle-www-"));
  const lab = new Lab();
  const [h1, h2] = [lab.addHost("h1", 1), lab.addHost("h2", 2)];
  const hosts = [h1, h2];
  const before = hosts.map((host) => host.snapshot());
  const fabric = new Fabric(h1);
  const runtimes = new Map<Host, CniRuntime>();
  const members: Member[] = [];
  try {
    await script.step("start a server and two agents", async () => {
      await fabric.startServer();
      await Promise.all(hosts.map((host) => fabric.startAgent(host)));
      const nodes = fabric.ask(h1, "node", "ls") as { name: string; alive: boolean }[];
      expectThat(
        nodes.filter(({ alive }) => alive).length === 2,
        `expected two nodes alive, saw ${JSON.stringify(nodes)}`,
      );
      return nodes.map(({ name }) => name).join(", ");
    });
    await script.step("create a network and install the CNI plugin", async () => {
      fabric.ask(h1, "network", "create", "demo", "--pool", "10.90.0.0/16", "fd90::/64");
      for (const host of hosts) {
        fabric.ask(
          host,
          "cni",
          "install",
          "--network",
          "demo",
          "--bin-dir",
          host.binDir,
          "--conf-dir",
          host.confDir,
        );
        runtimes.set(
          host,
          new CniRuntime({
            binDirs: [host.binDir],
            conf: host.confDir,
            enter: ["nsenter", `--net=${host.netns}`],
          }),
        );
      }
      return "10.90.0.0/16 and fd90::/64";
    });
    await script.step("attach four containers, two on each host", async () => {
      for (const host of [h1, h1, h2, h2]) members.push(await attach(host, runtimes));
      const all = members.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
      expectThat(new Set(all).size === 8, `addresses are not unique: ${all.join(", ")}`);
      return members
        .map(({ host, container, ipv4, ipv6 }) => `${host.name}  ${container.id}  ${ipv4}  ${ipv6}`)
        .join("\n");
    });
    await script.step("every container reaches every other, both families", async () => {
      const pairs = members.flatMap((from) =>
        members.filter((to) => to !== from).map((to) => ({ from, to })),
      );
      const pings = pairs.flatMap(({ from, to }) => [to.ipv4, to.ipv6].map((ip) => ({ from, ip })));
      const lost = await Promise.all(
        pings.map(async ({ from, ip }) =>
          (await from.container.runAsync(["ping", "-c1", "-W3", ip])).status === 0
            ? []
            : [`${from.ipv4} → ${ip}`],
        ),
      );
      expectThat(lost.flat().length === 0, `no answer: ${lost.flat().join(", ")}`);
      return `${pings.length} of ${pings.length} pings answered`;
    });
    await script.step("the packets between the hosts are VXLAN", () => seeVxlan(h1, members));
    await script.step("register web on both hosts, with an HTTP check", async () => {
      for (const member of [members[0], members[2]]) if (member) await registerWeb(member, www);
      return waitFor("two passing instances in DNS on both hosts", () => {
        const answers = hosts.map((host) => dig(host, "web.service.consul"));
        return answers.every((answer) => answer.length === 2)
          ? answers.map((answer, i) => `${hosts[i]?.name}: ${answer.join(" ")}`).join("\n")
          : undefined;
      });
    });
    await script.step(`a failing instance leaves DNS within ${checkIntervalMs + removalGraceMs} ms`, () =>
      failOne(h1, members[2]),
    );
    await script.step("write a key with curl on one host, read it on the other", async () => {
      h1.run([
        "curl",
        "-sf",
        "-X",
        "PUT",
        "-d",
        "hello from h1",
        "http://127.0.0.1:8500/v1/kv/demo/greeting",
      ]);
      const read = h2.run(["curl", "-sf", "http://127.0.0.1:8500/v1/kv/demo/greeting?raw"]);
      expectThat(read === "hello from h1", `read ${JSON.stringify(read)}`);
      return read;
    });
    await script.step("detach, stop, purge: the hosts are as before", async () => {
      for (const { host, container } of members) {
        await runtimes.get(host)?.del({ containerId: container.id, netns: container.netns });
        await container.dispose();
      }
      for (const host of hosts) fabric.ask(host, "down", "--purge", "--data-dir", host.dataDir);
      const left = hosts.flatMap((host, i) =>
        difference(before[i] ?? [], host.snapshot()).map((line) => `${host.name}: ${line}`),
      );
      expectThat(left.length === 0, left.join("\n"));
      return "links, addresses, routes, rules, neighbours, nftables and settings unchanged";
    });
  } finally {
    if (!script.results.every(({ ok }) => ok) && !json) process.stderr.write(`${fabric.logs()}\n`);
    await lab.dispose();
    rmSync(www, { recursive: true, force: true });
  }
  return script.finish();
}

async function attach(host: Host, runtimes: ReadonlyMap<Host, CniRuntime>): Promise<Member> {
  const container = host.addContainer(`c${Math.random().toString(36).slice(2, 8)}`);
  const result = await runtimes.get(host)?.add({ containerId: container.id, netns: container.netns });
  const addresses = (result?.ips ?? []).map(({ address }) => address.split("/")[0] ?? "");
  const [ipv4, ipv6] = [addresses.find((ip) => ip.includes(".")), addresses.find((ip) => ip.includes(":"))];
  if (!ipv4 || !ipv6) throw new Error(`expected an address of each family, got ${addresses.join(", ")}`);
  return { host, container, ipv4, ipv6 };
}

async function seeVxlan(host: Host, members: readonly Member[]): Promise<string> {
  const [from, , to] = members;
  if (!from || !to) throw new Error("the containers are missing");
  const capture: Capture = await captureVxlan(host);
  const pings = await from.container.runAsync(["ping", "-c3", "-i0.2", "-W3", to.ipv4]);
  const isOurs = (packet: string) => packet.includes(from.ipv4) && packet.includes(to.ipv4);
  const packets = await capture.take(6, isOurs);
  expectThat(pings.stdout.includes("3 received"), pings.stdout);
  const inner = packets.filter(isOurs);
  expectThat(inner.length >= 6, `expected six echo packets inside of VXLAN, saw:\n${packets.join("\n")}`);
  return inner[0] ?? "";
}

async function registerWeb({ host, container, ipv4 }: Member, www: string): Promise<void> {
  container.serveHttp(httpPort, www);
  const body = {
    ID: `web-${container.id}`,
    Name: "web",
    Address: ipv4,
    Port: httpPort,
    Check: { TCP: `${ipv4}:${httpPort}`, Interval: `${checkIntervalMs}ms`, Timeout: "500ms" },
  };
  host.run([
    "curl",
    "-sf",
    "-X",
    "PUT",
    "-d",
    JSON.stringify(body),
    "http://127.0.0.1:8500/v1/agent/service/register",
  ]);
}

/** Ends the server in one container and measures until the name does not mean it any more, on the other host. */
async function failOne(observer: Host, member: Member | undefined): Promise<string> {
  if (!member) throw new Error("the container is missing");
  await member.container.stopProcesses();
  const startMs = performance.now();
  await waitFor(
    "the failing instance to leave DNS",
    () => !dig(observer, "web.service.consul").includes(member.ipv4) || undefined,
  );
  const tookMs = Math.round(performance.now() - startMs);
  expectThat(tookMs <= checkIntervalMs + removalGraceMs, `it took ${tookMs} ms`);
  return `${member.ipv4} was gone on ${observer.name} after ${tookMs} ms`;
}

function dig(host: Host, name: string): string[] {
  const text = host.run(["dig", "+short", "+tries=1", "+time=2", "@127.0.0.1", "-p", "8600", name]);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .toSorted();
}

function difference(before: readonly string[], after: readonly string[]): string[] {
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ];
}
