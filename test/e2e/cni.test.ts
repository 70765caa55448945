/** What container runtimes do to a plugin, on a real agent: twice, too late, in the wrong order, with nonsense. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CniCallError, CniRuntime, NetworkList, PluginConf } from "../lab/cni-runtime.ts";
import { waitFor } from "../lab/command.ts";
import type { Container } from "../lab/container.ts";
import type { Host } from "../lab/host.ts";
import { difference, ipv4Of, Stage } from "../lab/stage.ts";

let stage: Stage;
let h1: Host;
let cni: CniRuntime;
let before: readonly string[];

beforeAll(async () => {
  stage = await Stage.open({ hosts: { h1: 1 } });
  h1 = stage.host("h1");
  cni = stage.cni(h1);
  stage.fabric.ask(h1, "network", "create", "tiny", "--pool", "10.91.0.0/30");
  stage.fabric.ask(h1, "network", "create", "plain", "--pool", "10.92.0.0/24");
  before = h1.snapshot();
});
afterAll(() => stage?.dispose());

async function leases(): Promise<readonly { readonly owner: { readonly containerId: string } }[]> {
  return JSON.parse((await stage.http(h1, "GET", "/v1/heddle/leases")).body) as [];
}

async function refused(call: Promise<unknown>): Promise<CniCallError> {
  return call.then(
    (result) => expect.unreachable(`expected an error, got ${JSON.stringify(result)}`),
    (error: unknown) => error as CniCallError,
  );
}

/** The plugin alone, with a configuration of the test's own. */
function only(conf: Readonly<Record<string, unknown>>): CniRuntime {
  return stage.cniWith(h1, { type: "heddle", ...conf });
}

/** One call with whatever variables and input. */
async function raw(command: string, { containerId, netns }: Container["attachment"], stdin: string) {
  const variables = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: "eth0",
  };
  const { status, stdout } = await cni.run("heddle", variables, stdin);
  return {
    status,
    answer: stdout === "" ? undefined : (JSON.parse(stdout) as { code?: number; msg?: string }),
  };
}

describe("ADD and DEL", () => {
  it("the same ADD twice answers the same", async () => {
    const { attachment } = stage.container(h1);
    const first = await cni.add(attachment);
    expect(await cni.add(attachment)).toEqual(first);
    await cni.del(attachment);
    expect(await leases()).toEqual([]);
  });

  it("DEL works without a namespace, twice, and for a container that never was", async () => {
    const container = stage.container(h1);
    await cni.add(container.attachment);
    await container.dispose();
    await cni.del({ containerId: container.id, netns: "" });
    await cni.del({ containerId: container.id, netns: "" });
    await cni.del({ containerId: "never-was", netns: "/run/netns/never-was" });
    expect(await leases()).toEqual([]);
  });

  it("ADD into a namespace that is not there is refused, names it and keeps no address", async () => {
    const error = await refused(cni.add({ containerId: "ghost", netns: "/run/netns/ghost" }));
    expect(error).toMatchObject({ code: 3, message: expect.stringContaining("/run/netns/ghost") });
    expect(await leases()).toEqual([]);
  });

  it.each([
    ["garbage", "{nonsense", 6, "not JSON"],
    ["nothing", "", 6, "empty"],
    ["another version", '{"cniVersion":"9.0.0","name":"demo","type":"heddle"}', 1, "9.0.0"],
    ["no name", '{"cniVersion":"1.1.0","type":"heddle"}', 7, "name"],
    [
      "an unknown network",
      '{"cniVersion":"1.1.0","name":"demo","type":"heddle","network":"nowhere"}',
      7,
      "nowhere",
    ],
    [
      "port mappings",
      '{"cniVersion":"1.1.0","name":"demo","type":"heddle","runtimeConfig":{"portMappings":[{"hostPort":80,"containerPort":80,"protocol":"tcp"}]}}',
      7,
      "portmap",
    ],
  ])("%s on standard input is refused with a sentence", async (_, stdin, code, sentence) => {
    const { status, answer } = await raw("ADD", stage.container(h1).attachment, stdin);
    expect({ status, answer }).toMatchObject({
      status: 1,
      answer: { code, msg: expect.stringContaining(sentence) },
    });
    expect(await leases()).toEqual([]);
  });
});

describe("a pool of four addresses", () => {
  it("gives its two, then says that it is full: to ADD, and to STATUS before a container is tried", async () => {
    const tiny = only({ network: "tiny" });
    await tiny.status();
    const containers = [stage.container(h1), stage.container(h1)];
    const ips = [];
    for (const { attachment } of containers) ips.push(ipv4Of(await tiny.add(attachment)));
    expect(ips.toSorted()).toEqual(["10.91.0.1", "10.91.0.2"]);

    const error = await refused(tiny.add(stage.container(h1).attachment));
    expect(error.code).toBe(101);
    expect(error.message).toContain("10.91.0.0/30");
    expect(await refused(tiny.status())).toMatchObject({
      code: 50,
      message: expect.stringContaining("10.91.0.0/30"),
    });
    for (const { attachment } of containers) await tiny.del(attachment);
    expect(await refused(tiny.status())).toMatchObject({
      code: 50,
      message: expect.stringContaining("rest"),
    });
    expect(await leases()).toEqual([]);
  });
});

describe("CHECK", () => {
  it("fails for a container that lost its route, and passes when ADD has repaired it", async () => {
    const container = stage.container(h1);
    const result = await cni.add(container.attachment);
    await cni.check(container.attachment);
    container.run(["ip", "route", "del", "default"]);
    const error = await refused(cni.check(container.attachment));
    expect(error).toMatchObject({ code: 104, message: expect.stringContaining("0.0.0.0/0") });
    expect(await cni.add(container.attachment)).toEqual(result);
    await cni.check(container.attachment);
    await cni.del(container.attachment);
  });

  it("fails for a container that is not attached", async () => {
    expect(await refused(cni.check(stage.container(h1).attachment))).toMatchObject({ code: 3 });
  });
});

describe("GC", () => {
  it("takes off what is not listed and leaves what is", async () => {
    const [kept, stale] = [stage.container(h1), stage.container(h1)];
    await cni.add(kept.attachment);
    await cni.add(stale.attachment);
    await cni.gc([kept.attachment]);
    expect((await leases()).every(({ owner }) => owner.containerId === kept.id)).toBe(true);
    await waitFor(
      "the interface to go",
      () => !stale.run(["ip", "-br", "link"]).includes("eth0") || undefined,
    );
    await cni.check(kept.attachment);
    await cni.gc([]);
    expect(await leases()).toEqual([]);
  });
});

describe("an agent that does not run", () => {
  it("is named by every call, and DEL succeeds when it is back", async () => {
    const { attachment } = stage.container(h1);
    const result = await cni.add(attachment);
    await stage.fabric.agent(h1).killHard();
    const conf = JSON.stringify({ cniVersion: "1.1.0", name: "demo", type: "heddle" });
    for (const [command, code] of Object.entries({ ADD: 11, DEL: 11, CHECK: 11, STATUS: 50 })) {
      const { status, answer } = await raw(command, attachment, conf);
      expect({ command, status, answer }).toMatchObject({
        command,
        status: 1,
        answer: { code, msg: expect.stringContaining("it is not running; start it") },
      });
    }
    await stage.startAgent(h1);
    expect(await cni.add(attachment)).toEqual(result);
    await cni.del(attachment);
  });
});

it("after all of it, and the end of the containers, nothing is left on the host and no address is in use", async () => {
  expect(await leases()).toEqual([]);
  // A link that was withdrawn when the agent was killed stands 30 s unless its namespace ends.
  await Promise.all(h1.containers.map((container) => container.dispose()));
  let left: readonly string[] = [];
  const isClean = () => {
    left = difference(before, h1.snapshot());
    return left.length === 0 || undefined;
  };
  await waitFor("the host to be as before", isClean).catch(() => expect(left).toEqual([]));
});

describe("as address plugin of another one", () => {
  const debian = "/usr/lib/cni";
  const delegating = (conf: PluginConf): NetworkList => ({
    cniVersion: "1.0.0",
    name: conf.type,
    plugins: [{ ...conf, ipam: { type: "heddle", network: "plain", routes: [{ dst: "0.0.0.0/0" }] } }],
  });

  it.each<PluginConf>([{ type: "bridge", bridge: "br-plain", isGateway: true }, { type: "ptp" }])(
    "$type gets its addresses from the fabric, and gives them back",
    async (conf) => {
      const held = (await leases()).length;
      const runtime = stage.cniWith(h1, delegating(conf), [debian]);
      const containers = [stage.container(h1), stage.container(h1)];
      const results = [];
      for (const { attachment } of containers) results.push(await runtime.add(attachment));
      const ips = results.map((result) => ipv4Of(result));
      expect(new Set(ips).size).toBe(2);
      for (const ip of ips) expect(ip).toMatch(/^10\.92\.0\./);
      const [first] = containers;
      const gateway = results[0]?.ips?.[0]?.gateway ?? "";
      expect(first?.run(["ping", "-c1", "-W2", gateway])).toContain("1 received");
      if (conf.type === "bridge")
        expect(first?.run(["ping", "-c1", "-W2", ips[1] ?? ""])).toContain("1 received");
      for (const { attachment } of containers) {
        await runtime.check(attachment);
        await runtime.del(attachment);
      }
      // The node keeps one address as the gateway.
      expect((await leases()).length - held).toBeLessThanOrEqual(1);
      const kept = (await leases()).filter(({ owner }) =>
        containers.some(({ id }) => id === owner.containerId),
      );
      expect(kept).toEqual([]);
    },
  );
});
