/** The whole way: runtime, plugin binary, socket, address plan, kernel, in a world of namespaces. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type CniAgent, startCniAgent } from "../../test/lab/cni-agent.ts";
import { CniCallError, CniRuntime, type NetworkList } from "../../test/lab/cni-runtime.ts";
import { run } from "../../test/lab/command.ts";
import { Container } from "../../test/lab/container.ts";
import { requireWorld } from "../../test/world.ts";

const debianPlugins = "/usr/lib/cni";
let agent: CniAgent;
let runtime: CniRuntime;
const containers: Container[] = [];

beforeAll(async () => {
  requireWorld();
  agent = await startCniAgent({ name: "default", pools: [{ cidr: "10.1.0.0/16" }, { cidr: "fd10:1::/64" }] });
  runtime = new CniRuntime({ binDirs: [agent.binDir, debianPlugins], conf: agent.confDir });
});

afterAll(() => agent.stop());

afterEach(async () => {
  for (const container of containers.splice(0)) {
    await runtime.del({ containerId: container.id, netns: container.netns });
    await container.dispose();
  }
});

function container(name: string): Container {
  const made = new Container(name);
  containers.push(made);
  return made;
}

const attachmentOf = ({ id, netns }: Container) => ({ containerId: id, netns });
const ipsOf = (result: { ips?: { address: string }[] | undefined }) =>
  (result.ips ?? []).map(({ address }) => address.split("/")[0] ?? "");
const hostLinks = () => run(["ip", "-o", "link"]).match(/hd[0-9a-f]{12}/g) ?? [];

test("the binary speaks the versions that it says", async () => {
  expect(await runtime.version("heddle")).toEqual(["0.4.0", "1.0.0", "1.1.0"]);
  await runtime.status();
});

test("two containers reach each other and their gateway over both families, and DEL leaves nothing", async () => {
  const [a, b] = [container("a1"), container("b1")];
  const first = await runtime.add(attachmentOf(a));
  const second = await runtime.add(attachmentOf(b));
  await runtime.check(attachmentOf(a));
  for (const ip of [...ipsOf(second), "169.254.1.1"]) a.run(["ping", "-c", "1", "-W", "2", ip]);
  expect(first.interfaces?.[1]).toMatchObject({ name: "eth0", sandbox: a.netns, mtu: 1450 });
  await runtime.del(attachmentOf(a));
  await runtime.del(attachmentOf(a));
  await runtime.del(attachmentOf(b));
  expect(run(["ip", "route", "show", "proto", "72"])).not.toContain("hd");
  await vi.waitFor(() => expect(hostLinks()).toEqual([]));
  expect(agent.endpoints.list()).toEqual([]);
  expect(agent.ipam.leases()).toEqual([]);
});

test("twenty containers at once have twenty addresses", async () => {
  const many = Array.from({ length: 20 }, (_, i) => container(`m${i}`));
  const results = await Promise.all(many.map((each) => runtime.add(attachmentOf(each))));
  expect(new Set(results.flatMap(ipsOf)).size).toBe(40);
  await Promise.all(many.map((each) => runtime.del(attachmentOf(each))));
  expect(agent.ipam.leases()).toEqual([]);
});

test("DEL works after the namespace is gone", async () => {
  const gone = new Container("gone1");
  await runtime.add(attachmentOf(gone));
  await gone.dispose();
  await runtime.del({ containerId: gone.id, netns: "" });
  expect(agent.endpoints.list()).toEqual([]);
});

test("CHECK finds an address that was taken off the container", async () => {
  const a = container("c1");
  const result = await runtime.add(attachmentOf(a));
  a.run(["ip", "addr", "del", `${ipsOf(result)[0]}/32`, "dev", "eth0"]);
  await expect(runtime.check(attachmentOf(a))).rejects.toThrow(/error 104/);
});

test("ADD over an interface that somebody else made fails and leaves nothing", async () => {
  const a = container("d1");
  a.run(["ip", "link", "add", "eth0", "type", "bridge"]);
  await expect(runtime.add(attachmentOf(a))).rejects.toBeInstanceOf(CniCallError);
  expect(a.run(["ip", "-o", "link", "show", "eth0"])).toContain("eth0");
  expect(agent.endpoints.list()).toEqual([]);
  expect(agent.ipam.leases()).toEqual([]);
});

test("an address and a MAC by capability are on the interface", async () => {
  const a = container("e1");
  const capabilityArgs = { ips: ["10.1.200.9/16"], mac: "02:00:00:00:00:99" };
  const result = await runtime.add({ ...attachmentOf(a), capabilityArgs });
  expect(ipsOf(result)).toContain("10.1.200.9");
  expect(a.run(["ip", "addr", "show", "eth0"])).toMatch(/02:00:00:00:00:99(.|\n)*10\.1\.200\.9\/32/);
});

test("GC removes what the runtime does not know", async () => {
  const [kept, lost] = [container("f1"), container("g1")];
  await runtime.add(attachmentOf(kept));
  await runtime.add(attachmentOf(lost));
  await runtime.gc([attachmentOf(kept)]);
  expect(agent.endpoints.list().map(({ request }) => request.containerId)).toEqual([kept.id]);
});

test("a full pool is error 101 for ADD and 50 for STATUS, and a released address rests", async () => {
  const small = await startCniAgent({ name: "default", pools: [{ cidr: "10.9.0.0/31" }] });
  try {
    const full = new CniRuntime({ binDirs: [small.binDir], conf: small.confDir });
    const [a, b, c] = [container("s1"), container("s2"), container("s3")];
    await full.status();
    await full.add(attachmentOf(a));
    await full.add(attachmentOf(b));
    await expect(full.status()).rejects.toMatchObject({
      code: 50,
      message: expect.stringContaining("10.9.0.0/31"),
    });
    await expect(full.add(attachmentOf(c))).rejects.toMatchObject({ code: 101 });
    expect(c.run(["ip", "-o", "link"])).not.toContain("eth0");
    await full.del(attachmentOf(a));
    await expect(full.add(attachmentOf(c))).rejects.toMatchObject({ code: 101 });
    await full.del(attachmentOf(b));
  } finally {
    await small.stop();
  }
});

describe("with other plugins", () => {
  const list = (plugins: NetworkList["plugins"]): NetworkList => ({
    cniVersion: "1.0.0",
    name: "default",
    plugins,
  });

  test("Debian's tuning takes Heddle's result as its prevResult", async () => {
    const conf = list([
      { type: "heddle" },
      { type: "tuning", sysctl: { "net.ipv4.conf.eth0.arp_filter": "1" } },
    ]);
    const chained = new CniRuntime({ binDirs: [agent.binDir, debianPlugins], conf });
    const a = container("h1");
    const result = await chained.add(attachmentOf(a));
    expect(ipsOf(result)).toHaveLength(2);
    expect(a.run(["sysctl", "-n", "net.ipv4.conf.eth0.arp_filter"]).trim()).toBe("1");
    await chained.check(attachmentOf(a));
    await chained.del(attachmentOf(a));
  });

  test.each<[string, object]>([
    ["bridge", { bridge: "hbr0", isGateway: true, isDefaultGateway: true }],
    ["ptp", {}],
  ])("Debian's %s takes its addresses from Heddle", async (type, more) => {
    const conf = list([{ type, ...more, ipam: { type: "heddle" } }]);
    const delegating = new CniRuntime({ binDirs: [debianPlugins, agent.binDir], conf });
    const [a, b] = [container(`${type}1`), container(`${type}2`)];
    await delegating.add(attachmentOf(a));
    const result = await delegating.add(attachmentOf(b));
    const gateways = (result.ips as { gateway?: string }[]).flatMap(({ gateway }) => gateway ?? []);
    expect(gateways).toHaveLength(2);
    for (const gateway of gateways) {
      await vi.waitFor(() => b.run(["ping", "-c", "1", "-W", "1", gateway]));
    }
    await delegating.check(attachmentOf(b));
    await delegating.del(attachmentOf(a));
    await delegating.del(attachmentOf(b));
    expect(agent.endpoints.list().map(({ request }) => request.containerId)).toEqual([".gateway"]);
    if (type === "bridge") run(["ip", "link", "delete", "hbr0"]);
  });
});
