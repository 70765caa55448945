/** The protocol as a runtime sees it: requests in, status and JSON out, over the in-memory node. */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { type EndpointRig, endpointRig, rigNetns, traces } from "../../test/lab/endpoint-rig.ts";
import type { CniAnswer } from "./answer.ts";
import { CniPlugin, type CniPluginOptions } from "./plugin.ts";
import { formatRequest, parseRequest } from "./request.ts";
import { cniVersions } from "./version.ts";

let rig: EndpointRig;
let plugin: CniPlugin;

beforeEach(async () => {
  rig = await endpointRig();
  plugin = new CniPlugin({ ...rig, clock: systemClock });
});

const env = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "c1",
  CNI_NETNS: rigNetns,
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
};
const config = { cniVersion: "1.1.0", name: "web-conf", type: "heddle" };

function ask(variables: Record<string, string>, stdin: unknown = config): Promise<CniAnswer> {
  return plugin.answer(formatRequest(variables, typeof stdin === "string" ? stdin : JSON.stringify(stdin)));
}

function run(command: string, more: object = {}, variables: Record<string, string> = {}): Promise<CniAnswer> {
  return ask({ ...env, CNI_COMMAND: command, ...variables }, { ...config, ...more });
}

// biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests assert
async function add(more: object = {}, variables: Record<string, string> = {}): Promise<any> {
  const { status, stdout } = await run("ADD", more, variables);
  expect(status, stdout).toBe(0);
  return JSON.parse(stdout);
}

const fail = (answer: CniAnswer) => ({ status: answer.status, ...JSON.parse(answer.stdout) });

describe("ADD", () => {
  test("answers interfaces, addresses, routes and name servers in 1.1.0", async () => {
    const result = await add();
    const [host, container] = result.interfaces;
    expect(result).toEqual({
      cniVersion: "1.1.0",
      interfaces: [
        { name: expect.stringMatching(/^hd[0-9a-f]{12}$/), mac: host.mac, mtu: 1450 },
        { name: "eth0", mac: container.mac, mtu: 1450, sandbox: rigNetns },
      ],
      ips: [{ address: "10.1.0.1/32", gateway: "169.254.1.1", interface: 1 }],
      routes: [{ dst: "0.0.0.0/0", gw: "169.254.1.1" }],
      dns: { nameservers: ["169.254.1.1"] },
    });
  });

  test("answers in the words of each version", async () => {
    const results = await Promise.all(cniVersions.map((cniVersion) => add({ cniVersion })));
    expect(results.map(({ cniVersion }) => cniVersion)).toEqual(["0.4.0", "1.0.0", "1.1.0"]);
    expect(results.map(({ ips }) => ips[0].version)).toEqual(["4", undefined, undefined]);
    expect(results.map(({ interfaces }) => interfaces[1].mtu)).toEqual([undefined, undefined, 1450]);
  });

  test("twice with the same parameters answers the same", async () => {
    expect(await add()).toEqual(await add());
  });

  test("twice with another network is error 103", async () => {
    await add();
    expect(fail(await run("ADD", { network: "web" }))).toMatchObject({ status: 1, code: 103 });
  });

  test("gives the address and MAC asked for by capability, args or CNI_ARGS", async () => {
    const asked = { ips: ["10.1.0.4/24"], mac: "02:00:00:00:00:44" };
    const byCapability = await add({ runtimeConfig: asked });
    expect(byCapability.ips[0].address).toBe("10.1.0.4/32");
    expect(byCapability.interfaces[1].mac).toBe("02:00:00:00:00:44");
    await run("DEL");
    expect((await add({ args: { cni: { ips: ["10.1.0.5"] } } })).ips[0].address).toBe("10.1.0.5/32");
    await run("DEL");
    const byArgs = await add(
      {},
      { CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.1.0.6;MAC=02:00:00:00:00:66" },
    );
    expect(byArgs.ips[0].address).toBe("10.1.0.6/32");
    expect(byArgs.interfaces[1].mac).toBe("02:00:00:00:00:66");
  });

  test("of an address in use is error 102", async () => {
    await add();
    const second = { CNI_CONTAINERID: "c2" };
    expect(fail(await run("ADD", { runtimeConfig: { ips: ["10.1.0.1"] } }, second))).toMatchObject({
      code: 102,
    });
  });

  test("into a namespace that is gone is error 3 and leaves nothing", async () => {
    expect(fail(await run("ADD", {}, { CNI_NETNS: "/run/netns/gone" }))).toMatchObject({
      status: 1,
      code: 3,
    });
    expect(await traces(rig)).toEqual([]);
  });

  test("takes the MTU and the DNS of the configuration", async () => {
    const dns = { nameservers: ["10.0.0.53"], search: ["example.org"] };
    const result = await add({ mtu: 1300, dns });
    expect(result.interfaces[1].mtu).toBe(1300);
    expect(result.dns).toEqual(dns);
  });

  test("uses the network named, else the one called as the configuration, else default", async () => {
    const networkOf = () => rig.endpoints.list()[0]?.request.network;
    await add({ network: "web" });
    expect(networkOf()).toBe("web");
    await run("DEL");
    await add({ name: "web" });
    expect(networkOf()).toBe("web");
    await run("DEL");
    await add();
    expect(networkOf()).toBe("default");
  });
});

async function exhaust(): Promise<void> {
  for (let n = 1; n <= 6; n++)
    await rig.addresses.allocate({ network: "default", owner: { containerId: `x${n}`, ifname: "eth0" } });
}

test("an exhausted pool is error 101 for ADD and 50 for STATUS, and both name the pool", async () => {
  expect(await run("STATUS")).toEqual({ status: 0, stdout: "" });
  await exhaust();
  expect(fail(await run("ADD"))).toMatchObject({
    status: 1,
    code: 101,
    msg: expect.stringContaining("10.1.0.0/29"),
  });
  expect(fail(await run("STATUS"))).toMatchObject({
    status: 1,
    code: 50,
    msg: expect.stringContaining("10.1.0.0/29"),
    details: expect.stringContaining("IPAM_POOL_EXHAUSTED"),
  });
});

describe("DEL", () => {
  test("removes everything, and again is a success", async () => {
    await add();
    expect(await run("DEL")).toEqual({ status: 0, stdout: "" });
    expect(await run("DEL")).toEqual({ status: 0, stdout: "" });
    expect(await traces(rig)).toEqual([]);
  });

  test("needs no CNI_NETNS and no namespace", async () => {
    await add();
    rig.kernel.removeNetns(rigNetns);
    expect(await ask({ CNI_COMMAND: "DEL", CNI_CONTAINERID: "c1", CNI_IFNAME: "eth0" })).toEqual({
      status: 0,
      stdout: "",
    });
    expect(await traces(rig)).toEqual([]);
  });
});

test("DEL of a container whose ADD was refused for its configuration succeeds with that configuration", async () => {
  for (const more of [
    { mtu: 10 },
    { runtimeConfig: { portMappings: [{ hostPort: 80 }] } },
    { ipam: { type: "x" } },
  ]) {
    expect((await run("ADD", more)).status).toBe(1);
    expect(await run("DEL", more)).toEqual({ status: 0, stdout: "" });
  }
});

test("STATUS that takes too long says that no container can be added now", async () => {
  const addresses = { assertCanAllocate: () => new Promise<void>(() => undefined) };
  plugin = new CniPlugin({ ...rig, addresses, clock: systemClock, deadlineMs: 10 });
  expect(fail(await run("STATUS"))).toMatchObject({
    code: 50,
    details: expect.stringContaining("ENDPOINT_DEADLINE"),
  });
});

test("every call is told to the observer, with its error", async () => {
  const told: [unknown, string, boolean][] = [];
  const onAnswer: CniPluginOptions["onAnswer"] = ({ command, containerId, error }) =>
    told.push([command, containerId, error === undefined]);
  plugin = new CniPlugin({ ...rig, clock: systemClock, onAnswer });
  await run("ADD");
  await run("ADD", { network: "none" });
  await plugin.answer(Buffer.of(1));
  expect(told).toEqual([
    ["ADD", "c1", true],
    ["ADD", "c1", false],
    [undefined, "", false],
  ]);
});

describe("CHECK", () => {
  test("accepts what ADD answered, and what chained plugins added to it", async () => {
    const result = await add();
    const later = {
      ...result,
      ips: [...result.ips, { address: "192.0.2.1/24" }],
      interfaces: [...result.interfaces, { name: "ifb0" }],
    };
    expect(await run("CHECK", { prevResult: result })).toEqual({ status: 0, stdout: "" });
    expect(await run("CHECK", { prevResult: later })).toEqual({ status: 0, stdout: "" });
  });

  test.each<[string, number, (result: { ips: object[]; interfaces: object[] }) => object]>([
    ["no prevResult", 7, () => ({})],
    ["a prevResult that is none", 7, () => ({ prevResult: { ips: "x" } })],
    ["a prevResult without the address", 104, (result) => ({ prevResult: { ...result, ips: [] } })],
    ["a prevResult without the interface", 104, (result) => ({ prevResult: { ...result, interfaces: [] } })],
  ])("refuses %s with error %i", async (_what, code, change) => {
    const result = await add();
    expect(fail(await run("CHECK", change(result)))).toMatchObject({ status: 1, code });
  });

  test("finds kernel state that is gone and does not come back", async () => {
    const prevResult = await add();
    await rig.kernel.apply([{ op: "link.delete", link: prevResult.interfaces[0].name }]);
    expect(fail(await run("CHECK", { prevResult }))).toMatchObject({ code: 104 });
  });

  test("waits for kernel state that comes back", async () => {
    const prevResult = await add();
    await rig.kernel.apply([{ op: "link.delete", link: prevResult.interfaces[0].name }]);
    const checked = run("CHECK", { prevResult });
    await add();
    expect(await checked).toEqual({ status: 0, stdout: "" });
  });

  test("of an unknown container is error 3", async () => {
    expect(fail(await run("CHECK", { prevResult: {} }))).toMatchObject({ code: 3 });
  });
});

describe("GC", () => {
  const valid = (...ids: string[]) => ({
    "cni.dev/valid-attachments": ids.map((containerID) => ({ containerID, ifname: "eth0" })),
  });

  test("removes what this network's runtime does not know, and nothing of others", async () => {
    rig.kernel.addNetns("/run/netns/c2");
    rig.kernel.addNetns("/run/netns/c3");
    await add();
    await add({}, { CNI_CONTAINERID: "c2", CNI_NETNS: "/run/netns/c2" });
    await add({ name: "other" }, { CNI_CONTAINERID: "c3", CNI_NETNS: "/run/netns/c3" });
    await rig.endpoints.attach({
      containerId: "d1",
      ifname: "eth0",
      network: "default",
      origin: { plugin: "docker", name: config.name },
      form: { kind: "addresses" },
      addresses: [],
    });
    expect(await run("GC", valid("c1"))).toEqual({ status: 0, stdout: "" });
    expect(
      rig.endpoints
        .list()
        .map(({ request }) => request.containerId)
        .toSorted(),
    ).toEqual(["c1", "c3", "d1"]);
  });

  test("goes on after an error and reports it", async () => {
    rig.kernel.addNetns("/run/netns/c2");
    await add();
    await add({}, { CNI_CONTAINERID: "c2", CNI_NETNS: "/run/netns/c2" });
    rig.kernel.failAt(1);
    expect(fail(await run("GC", valid()))).toMatchObject({ status: 1, code: 100 });
    expect(rig.endpoints.list()).toHaveLength(1);
    expect(await run("GC", valid())).toEqual({ status: 0, stdout: "" });
    expect(await traces(rig)).toEqual([]);
  });

  test("without valid-attachments removes nothing", async () => {
    await add();
    expect(fail(await run("GC"))).toMatchObject({ code: 7 });
    expect(rig.endpoints.list()).toHaveLength(1);
  });
});

describe("VERSION", () => {
  test("answers in the version of the caller", async () => {
    const answer = await ask({ CNI_COMMAND: "VERSION" }, { cniVersion: "1.0.0" });
    expect(answer.status).toBe(0);
    expect(JSON.parse(answer.stdout)).toEqual({
      cniVersion: "1.0.0",
      supportedVersions: ["0.4.0", "1.0.0", "1.1.0"],
    });
  });

  test("does not mind an input that it cannot read", async () => {
    expect((await ask({ CNI_COMMAND: "VERSION" }, "garbage")).status).toBe(0);
  });
});

describe("as the ipam of another plugin", () => {
  const bridge = { ...config, type: "bridge", ipam: { type: "heddle" } };
  const ipam = (command: string, more: object = {}) =>
    ask({ ...env, CNI_COMMAND: command }, { ...bridge, ...more });

  test("ADD gives addresses on the pool with one gateway a node, and no interfaces", async () => {
    const result = JSON.parse((await ipam("ADD")).stdout);
    expect(result).toEqual({
      cniVersion: "1.1.0",
      ips: [{ address: "10.1.0.1/29", gateway: "10.1.0.2" }],
      routes: [{ dst: "0.0.0.0/0", gw: "10.1.0.2" }],
      dns: {},
    });
    const second = await ask({ ...env, CNI_CONTAINERID: "c2" }, bridge);
    expect(JSON.parse(second.stdout).ips).toEqual([{ address: "10.1.0.3/29", gateway: "10.1.0.2" }]);
  });

  test("takes the gateway that the network's pool has", async () => {
    const networks = {
      network: (name: string) =>
        name === "default" ? ({ pools: [{ cidr: "10.1.0.0/29", gateway: "10.1.0.6" }] } as never) : undefined,
    };
    plugin = new CniPlugin({ ...rig, networks, clock: systemClock });
    expect(JSON.parse((await ipam("ADD")).stdout).ips[0].gateway).toBe("10.1.0.6");
    expect(rig.addresses.size).toBe(1);
  });

  test("takes the routes of the configuration", async () => {
    const routes = [{ dst: "192.0.2.0/24", gw: "10.1.0.3" }];
    const result = await ipam("ADD", { ipam: { type: "heddle", routes } });
    expect(JSON.parse(result.stdout).routes).toEqual(routes);
  });

  test("DEL without a namespace gives the address back; GC spares the node's gateway", async () => {
    await ipam("ADD");
    expect(await ask({ CNI_COMMAND: "DEL", CNI_CONTAINERID: "c1", CNI_IFNAME: "eth0" }, bridge)).toEqual({
      status: 0,
      stdout: "",
    });
    expect(await ipam("GC", { "cni.dev/valid-attachments": [] })).toEqual({ status: 0, stdout: "" });
    expect(rig.endpoints.list().map(({ request }) => request.containerId)).toEqual([".gateway"]);
  });

  test("is refused when nobody of the configuration is heddle", async () => {
    expect(fail(await ipam("ADD", { ipam: { type: "host-local" } }))).toMatchObject({ code: 7 });
  });
});

describe("bad input", () => {
  const rows: readonly (readonly [
    what: string,
    code: number,
    variables: Record<string, string>,
    stdin: unknown,
    says: RegExp,
  ])[] = [
    ["no command", 4, { CNI_COMMAND: "" }, config, /CNI_COMMAND="": use one of ADD, DEL/],
    ["an unknown command", 4, { CNI_COMMAND: "REMOVE" }, config, /CNI_COMMAND="REMOVE"/],
    ["a missing container id", 4, { CNI_CONTAINERID: "" }, config, /set CNI_CONTAINERID/],
    ["a missing namespace", 4, { CNI_NETNS: "" }, config, /set CNI_NETNS/],
    ["a missing interface name", 4, { CNI_IFNAME: "" }, config, /set CNI_IFNAME/],
    [
      "everything missing",
      4,
      { CNI_CONTAINERID: "", CNI_NETNS: "", CNI_IFNAME: "" },
      config,
      /set CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME/,
    ],
    [
      "DEL without interface name",
      4,
      { CNI_COMMAND: "DEL", CNI_IFNAME: "" },
      config,
      /run CNI DEL: set CNI_IFNAME/,
    ],
    ["a container id with a slash", 4, { CNI_CONTAINERID: "../c1" }, config, /CNI_CONTAINERID/],
    ["an interface name that is too long", 4, { CNI_IFNAME: "a234567890123456" }, config, /1-15 bytes/],
    ["an interface name with a slash", 4, { CNI_IFNAME: "a/b" }, config, /CNI_IFNAME/],
    ["the interface name ..", 4, { CNI_IFNAME: ".." }, config, /CNI_IFNAME/],
    ["a namespace that is no path", 4, { CNI_NETNS: "c1" }, config, /absolute path/],
    ["CNI_ARGS without a value", 4, { CNI_ARGS: "IP" }, config, /KEY=VALUE/],
    ["an empty input", 6, {}, "", /standard input is empty/],
    ["garbage", 6, {}, "{", /not JSON/],
    ["a list", 6, {}, [], /not a JSON object/],
    ["null", 6, {}, "null", /not a JSON object/],
    ["no cniVersion", 1, {}, { ...config, cniVersion: undefined }, /cniVersion ""/],
    [
      "an old cniVersion",
      1,
      {},
      { ...config, cniVersion: "0.2.0" },
      /"0.2.0" is not supported; use one of 0.4.0, 1.0.0, 1.1.0/,
    ],
    ["a cniVersion that is a number", 1, {}, { ...config, cniVersion: 1 }, /cniVersion 1/],
    [
      "STATUS in 1.0.0",
      1,
      { CNI_COMMAND: "STATUS" },
      { ...config, cniVersion: "1.0.0" },
      /STATUS: it needs cniVersion 1.1.0/,
    ],
    [
      "GC in 0.4.0",
      1,
      { CNI_COMMAND: "GC" },
      { ...config, cniVersion: "0.4.0" },
      /GC: it needs cniVersion 1.1.0/,
    ],
    ["no name", 7, {}, { ...config, name: undefined }, /name/],
    ["a bad name", 7, {}, { ...config, name: "a b" }, /name: must be letters/],
    ["an MTU of 10", 7, {}, { ...config, mtu: 10 }, /mtu/],
    ["a network that is not there", 7, {}, { ...config, network: "none" }, /network none/],
    ["another plugin's ipam", 2, {}, { ...config, ipam: { type: "host-local" } }, /ipam.type "host-local"/],
    ["a prevResult on ADD", 7, {}, { ...config, prevResult: { ips: [] } }, /put it first/],
    [
      "port mappings",
      7,
      {},
      { ...config, runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 80 }] } },
      /portMappings is not supported yet.*portmap/,
    ],
    [
      "a bandwidth",
      7,
      {},
      { ...config, runtimeConfig: { bandwidth: { ingressRate: 1 } } },
      /bandwidth is not supported yet/,
    ],
    ["an address that is none", 7, {}, { ...config, runtimeConfig: { ips: ["10.1.0.300"] } }, /10.1.0.300/],
    ["a MAC that is none", 7, {}, { ...config, runtimeConfig: { mac: "zz" } }, /MAC/],
    ["a group MAC", 7, {}, { ...config, runtimeConfig: { mac: "01:00:5e:00:00:01" } }, /group address/],
    ["ips that are no list", 7, {}, { ...config, runtimeConfig: { ips: "10.1.0.1" } }, /runtimeConfig.ips/],
    [
      "attachments that are none",
      7,
      { CNI_COMMAND: "GC" },
      { ...config, "cni.dev/valid-attachments": [{}] },
      /containerID/,
    ],
  ];

  test.each(rows)("%s is error %i", async (_what, code, variables, stdin, says) => {
    const answer = await ask({ ...env, ...variables }, stdin);
    expect(answer.status).toBe(1);
    expect(JSON.parse(answer.stdout)).toMatchObject({
      cniVersion: expect.stringMatching(/^(0\.4|1\.0|1\.1)\.0$/),
      code,
      msg: expect.stringMatching(says),
    });
    expect(await traces(rig)).toEqual([]);
  });

  test("empty port mappings are no request", async () => {
    await add({ runtimeConfig: { portMappings: [], bandwidth: {} } });
  });

  test("an error is answered in the version of the configuration", async () => {
    expect(fail(await run("ADD", { cniVersion: "0.4.0", network: "none" })).cniVersion).toBe("0.4.0");
  });
});

describe("whatever arrives", () => {
  test("is answered with status 0 or with a CNI error, and never throws", async () => {
    const words = fc.constantFrom(
      "ADD",
      "DEL",
      "CHECK",
      "STATUS",
      "GC",
      "VERSION",
      "c1",
      rigNetns,
      "eth0",
      "",
      "IP=10.1.0.3",
    );
    const names = fc.constantFrom(
      "CNI_COMMAND",
      "CNI_CONTAINERID",
      "CNI_NETNS",
      "CNI_IFNAME",
      "CNI_ARGS",
      "CNI_X",
    );
    const fields = fc.constantFrom(
      "cniVersion",
      "name",
      "type",
      "network",
      "ipam",
      "runtimeConfig",
      "args",
      "prevResult",
      "cni.dev/valid-attachments",
    );
    const stdin = fc.oneof(
      fc.string(),
      fc.json(),
      fc.dictionary(fields, fc.jsonValue()).map((more) => JSON.stringify({ ...config, ...more })),
    );
    const variables = fc.dictionary(
      names,
      fc.oneof(
        words,
        fc.string().map((text) => text.replaceAll("\0", "")),
      ),
    );
    await fc.assert(
      fc.asyncProperty(variables, stdin, async (some, input) => {
        const { status, stdout } = await ask({ ...env, ...some }, input);
        if (status === 0) return;
        expect(JSON.parse(stdout)).toMatchObject({
          code: expect.any(Number),
          msg: expect.any(String),
          cniVersion: expect.any(String),
        });
      }),
      { numRuns: 500 },
    );
  });

  test("as bytes too", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect((await plugin.answer(bytes)).status).toBe(1);
      }),
    );
  });

  test("a formatted request is parsed back", () => {
    const value = fc.string().map((text) => text.replaceAll("\0", ""));
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^CNI_[A-Z]{1,8}$/), value, { maxKeys: 20 }),
        fc.string(),
        (variables, stdin) => {
          const parsed = parseRequest(formatRequest(variables, stdin));
          expect(Object.fromEntries(parsed.variables)).toEqual({ ...variables });
          expect(Buffer.from(parsed.stdin)).toEqual(Buffer.from(stdin));
        },
      ),
    );
  });
});
