/** Mesos-DNS's names and HTTP answers, as its docs have them. */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { type MesosName, parseMesosName } from "../names/index.ts";
import { MemoryCatalog, Resolver, type ServiceInstance } from "../resolver/index.ts";
import { type DnsRecord, emptyMessage, encodeMessage, rcodes, typeNumber } from "../wire/index.ts";
import { MesosDialect, MesosDirectory } from "./index.ts";

let catalog: MemoryCatalog;
let resolver: Resolver;
let directory: MesosDirectory;
let servers: { host: string; port: number }[];

beforeEach(() => {
  catalog = new MemoryCatalog();
  servers = [
    { host: "10.0.0.100", port: 8502 },
    { host: "10.0.0.101", port: 8502 },
  ];
  const health = { onlyPassing: false, panicThreshold: 0 };
  resolver = new Resolver({
    catalog,
    domains: ["consul"],
    dialects: [new MesosDialect("mesos", () => servers)],
    datacenter: "dc1",
    nameserverAddresses: () => [parseIp("127.0.0.1")],
    reversePools: () => [],
    networksOf: () => [],
    whereIs: () => undefined,
    ttl: { nodeSeconds: 0, serviceSeconds: {}, negativeSeconds: 5 },
    health,
    subset: { instancesMax: 0, node: "n0" },
    clock: new ManualClock(),
    random: () => 0,
  });
  directory = new MesosDirectory({
    domain: "mesos",
    datacenter: "dc1",
    catalog,
    serviceNames: () => ["web", "marathon", "a.b"],
    servers: () => servers,
    health,
    tasksMax: 3,
  });
});

const instance = (n: number, more: Partial<ServiceInstance> = {}): ServiceInstance => ({
  node: `n${n}`,
  id: "web",
  nodeUp: true,
  nodeAddresses: [parseIp(`10.0.0.${n}`)],
  port: 8080,
  tags: [],
  status: "passing",
  ...more,
});

async function ask(name: string, type = "A") {
  const result = await resolver.resolve({ name, type: typeNumber(type) ?? 0, class: 1 });
  if (!result) throw new Error(`${name} is not ours`);
  return result;
}

const said = (records: readonly DnsRecord[]) =>
  records.map(({ data }) => {
    if (data.kind === "A" || data.kind === "AAAA") return data.address;
    if (data.kind === "SRV") return `${data.priority} ${data.weight} ${data.port} ${data.target}`;
    return "target" in data ? data.target : data.kind;
  });

describe("names", () => {
  const task = (name: string, framework: string, onNode = false): MesosName => ({
    kind: "task",
    task: name,
    framework,
    onNode,
  });
  const cases: readonly (readonly [string, MesosName])[] = [
    ["", { kind: "apex" }],
    ["ns1", { kind: "nameserver" }],
    ["web.marathon", task("web", "marathon")],
    ["web.marathon.prod", task("web", "marathon.prod")],
    ["web.marathon.slave", task("web", "marathon", true)],
    ["slave", { kind: "nodes" }],
    ["n1.slave", { kind: "node", name: "n1" }],
    ["leader", { kind: "servers", which: "leader", isService: false }],
    ["master", { kind: "servers", which: "all", isService: false }],
    ["master1", { kind: "servers", which: 1, isService: false }],
    ["_leader._tcp", { kind: "servers", which: "leader", isService: true }],
    ["_master._udp", { kind: "servers", which: "all", isService: true }],
    ["marathon", { kind: "scheduler", framework: "marathon", isService: false }],
    ["_framework._tcp.marathon", { kind: "scheduler", framework: "marathon", isService: true }],
    [
      "_web._udp.marathon",
      {
        kind: "service",
        task: "web",
        framework: "marathon",
        onNode: false,
        protocol: "udp",
        portName: undefined,
      },
    ],
    [
      "_http._web._tcp.marathon.slave",
      {
        kind: "service",
        task: "web",
        framework: "marathon",
        onNode: true,
        protocol: "tcp",
        portName: "http",
      },
    ],
    ["_tcp.marathon", { kind: "empty" }],
    ["_slave._tcp", { kind: "empty" }],
    ["_tcp", { kind: "empty" }],
  ];
  test.each(cases)("%s", (name, expected) => {
    expect(parseMesosName(name === "" ? [] : name.split("."))).toEqual(expected);
  });

  test("every list of labels has one meaning", () => {
    const label = fc.oneof(
      fc.constantFrom("_tcp", "_udp", "_web", "slave", "leader", "master", "ns1"),
      fc.string(),
    );
    fc.assert(fc.property(fc.array(label, { maxLength: 6 }), (labels) => void parseMesosName(labels)));
  });
});

describe("answers", () => {
  test("a task has the addresses of the instances that may be named, in its framework", async () => {
    catalog.setService("web", [
      instance(1),
      instance(2, { meta: { framework: "Prod" } }),
      instance(3, { status: "critical" }),
      instance(4, { nodeUp: false }),
    ]);
    expect(said((await ask("web.marathon.mesos")).answers)).toEqual(["10.0.0.1"]);
    expect(said((await ask("WEB.prod.mesos")).answers)).toEqual(["10.0.0.2"]);
    expect((await ask("web.chronos.mesos")).rcode).toBe(rcodes.NXDOMAIN);
    expect(await ask("web.marathon.mesos", "AAAA")).toMatchObject({ rcode: rcodes.NOERROR, answers: [] });
    expect(await ask("web.marathon.mesos", "SRV")).toMatchObject({ rcode: rcodes.NOERROR, answers: [] });
  });

  test("below slave are the nodes' addresses, beside it the tasks' own", async () => {
    catalog.setService("web", [instance(1, { address: "10.9.0.1" }), instance(2)]);
    expect(said((await ask("web.marathon.mesos")).answers)).toEqual(["10.9.0.1", "10.0.0.2"]);
    expect(said((await ask("web.marathon.slave.mesos")).answers)).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(said((await ask("_web._tcp.marathon.slave.mesos", "SRV")).additionals)).toEqual(["10.0.0.2"]);
  });

  test("SRV targets are canonical names, which name exactly that instance", async () => {
    catalog.setService("web", [instance(1), instance(2, { port: 9090 })]);
    const { answers, additionals } = await ask("_web._tcp.marathon.mesos", "SRV");
    expect(answers).toHaveLength(2);
    for (const [i, { data }] of answers.entries()) {
      if (data.kind !== "SRV") throw new Error("not SRV");
      expect(said((await ask(data.target)).answers)).toEqual([`10.0.0.${i + 1}`]);
      expect(data).toMatchObject({ priority: 0, port: i === 0 ? 8080 : 9090 });
    }
    expect(said(additionals)).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect((await ask("web-0000000-s0000000.marathon.mesos")).rcode).toBe(rcodes.NXDOMAIN);
  });

  test("two instances of one node have canonical names of their own", async () => {
    catalog.setService("web", [
      instance(1, { id: "a", address: "10.9.0.1" }),
      instance(1, { id: "b", address: "10.9.0.2" }),
    ]);
    const { answers } = await ask("_web._tcp.marathon.mesos", "SRV");
    const named = answers.map(({ data }) => (data.kind === "SRV" ? data.target : ""));
    expect(new Set(named).size).toBe(2);
    for (const [i, name] of named.entries())
      expect(said((await ask(name)).answers)).toEqual([`10.9.0.${i + 1}`]);
  });

  test("protocols come from the meta, port names are tags", async () => {
    catalog.setService("web", [
      instance(1, { meta: { protocol: "tcp" }, tags: ["HTTP"] }),
      instance(2, { meta: { protocol: "udp" } }),
      instance(3),
    ]);
    const count = async (name: string) => (await ask(name, "SRV")).answers.length;
    expect(await count("_web._tcp.marathon.mesos")).toBe(2);
    expect(await count("_web._udp.marathon.mesos")).toBe(2);
    expect(await count("_http._web._tcp.marathon.mesos")).toBe(1);
    expect(await count("_grpc._web._tcp.marathon.mesos")).toBe(0);
  });

  test("a task of several ports has each of them, by its name too", async () => {
    const ports = [
      { name: "HTTP", port: 80 },
      { name: "metrics", port: 90 },
    ];
    catalog.setService("web", [instance(1, { port: 80, ports, tags: ["grpc"] })]);
    const asked = async (name: string) =>
      (await ask(name, "SRV")).answers.map(({ data }) => (data.kind === "SRV" ? data.port : 0)).sort();
    expect(await asked("_web._tcp.marathon.mesos")).toEqual([80, 90]);
    expect(await asked("_http._web._tcp.marathon.mesos")).toEqual([80]);
    expect(await asked("_metrics._web._udp.marathon.mesos")).toEqual([90]);
    expect(await asked("_grpc._web._tcp.marathon.mesos")).toEqual([]);
  });

  test("leader is the connected server, master all of them, and neither is kept", async () => {
    expect(await ask("leader.mesos")).toMatchObject({ dependsOn: [] });
    expect(said((await ask("leader.mesos")).answers)).toEqual(["10.0.0.100"]);
    expect(said((await ask("master.mesos")).answers)).toEqual(["10.0.0.100", "10.0.0.101"]);
    expect(said((await ask("master1.mesos")).answers)).toEqual(["10.0.0.101"]);
    expect((await ask("master2.mesos")).rcode).toBe(rcodes.NXDOMAIN);
    expect(said((await ask("_leader._tcp.mesos", "SRV")).answers)).toEqual(["0 1 8502 leader.mesos"]);
    servers = [{ host: "servers.example.com", port: 8502 }];
    expect(await ask("leader.mesos")).toMatchObject({ chase: "servers.example.com" });
    expect(said((await ask("_leader._tcp.mesos", "SRV")).answers)).toEqual(["0 1 8502 servers.example.com"]);
  });

  test("slave is every living node, n1.slave one", async () => {
    for (const n of [1, 2])
      catalog.setNode(`n${n}`, { name: `n${n}`, up: n === 1, addresses: [parseIp(`10.0.0.${n}`)], meta: {} });
    expect(said((await ask("slave.mesos")).answers)).toEqual(["10.0.0.1"]);
    expect(said((await ask("n1.slave.mesos")).answers)).toEqual(["10.0.0.1"]);
    expect((await ask("n2.slave.mesos")).rcode).toBe(rcodes.NXDOMAIN);
  });

  test("a framework is its scheduler, if one is registered by its name", async () => {
    expect(await ask("marathon.mesos")).toMatchObject({ rcode: rcodes.NOERROR, answers: [] });
    catalog.setService("marathon", [instance(7)]);
    expect(said((await ask("marathon.mesos")).answers)).toEqual(["10.0.0.7"]);
    expect((await ask("_framework._tcp.marathon.mesos", "SRV")).answers).toHaveLength(1);
  });

  test("the apex has SOA and NS", async () => {
    expect(said((await ask("mesos", "SOA")).answers)).toEqual(["SOA"]);
    expect(said((await ask("mesos", "NS")).answers)).toEqual(["ns1.mesos"]);
    expect(said((await ask("ns1.mesos")).answers)).toEqual(["127.0.0.1"]);
  });

  test("every answer can be written, whatever the instances are called", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            node: fc.string({ minLength: 1 }),
            address: fc.oneof(fc.constant("10.9.9.9"), fc.string()),
            port: fc.nat(65_535),
            meta: fc.record({ framework: fc.constantFrom("marathon", "", "x") }),
          }),
          { maxLength: 6 },
        ),
        fc.constantFrom(
          "web.marathon",
          "_web._tcp.marathon",
          "web.marathon.slave",
          "_web._udp.marathon.slave",
        ),
        fc.constantFrom("A", "SRV", "ANY", "CNAME", "TXT"),
        async (some, left, type) => {
          catalog.setService(
            "web",
            some.map((each, i) => instance(i, each)),
          );
          const { answers, authorities, additionals } = await ask(`${left}.mesos`, type);
          encodeMessage({ ...emptyMessage, answers, authorities, additionals });
        },
      ),
    );
  });
});

describe("over HTTP", () => {
  test("hosts and services have Mesos-DNS's shapes, and an empty record where there is nothing", async () => {
    catalog.setService("web", [instance(1), instance(2)]);
    expect(await directory.hosts("Web.marathon.mesos.")).toEqual([
      { host: "web.marathon.mesos.", ip: "10.0.0.1" },
      { host: "web.marathon.mesos.", ip: "10.0.0.2" },
    ]);
    const [first] = await directory.services("_web._tcp.marathon.mesos.");
    expect(first).toMatchObject({ service: "_web._tcp.marathon.mesos.", ip: "10.0.0.1", port: "8080" });
    expect(first?.host).toMatch(/^web-[0-9a-z]{7}-s[0-9a-z]{7}\.marathon\.mesos\.$/);
    for (const name of ["db.marathon.mesos", "example.com", "", "..mesos", "web.service.consul"]) {
      expect(await directory.hosts(name)).toEqual([{ host: "", ip: "" }]);
      expect(await directory.services(name)).toEqual([{ service: "", host: "", ip: "", port: "" }]);
    }
  });

  test("the list of all tasks holds every record that names a task, each of which resolves to what it says", async () => {
    catalog.setService("web", [
      instance(1, { port: 80, ports: [{ name: "HTTP", port: 80 }] }),
      instance(2, { meta: { framework: "prod" }, address: "10.9.0.2" }),
    ]);
    catalog.setService("a.b", [instance(3)]);
    const { frameworks } = await directory.enumerate();
    expect(frameworks.map(({ name, tasks }) => [name, tasks.map((task) => task.name)])).toEqual([
      ["marathon", ["web"]],
      ["prod", ["web"]],
    ]);
    const records = frameworks.flatMap(({ tasks }) => tasks.flatMap((task) => task.records));
    expect(records).toHaveLength(14);
    for (const { name, host, rtype } of records) {
      const answers = (await ask(name.slice(0, -1), rtype)).answers.map(({ data }) =>
        data.kind === "SRV" ? `${data.target}.:${data.port}` : "address" in data ? data.address : "",
      );
      expect(answers).toContain(host);
    }
  });

  test("a list with too many tasks is refused", async () => {
    catalog.setService(
      "web",
      [1, 2, 3, 4].map((n) => instance(n)),
    );
    await expect(directory.enumerate()).rejects.toThrow(
      expect.objectContaining({ code: "DNS_TOO_MANY_TASKS" }),
    );
  });
});
