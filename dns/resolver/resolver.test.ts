/** What answers may hold. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { type DnsRecord, rcodes, typeNumber, typeNumbers } from "../wire/index.ts";
import {
  type HealthPolicy,
  MemoryCatalog,
  Resolver,
  type ResolverOptions,
  type ServiceInstance,
} from "./index.ts";

const address = (n: number): Ip => parseIp(`10.0.${n >> 8}.${n & 255}`);
const instance = (n: number, more: Partial<ServiceInstance> = {}): ServiceInstance => ({
  node: `n${n}`,
  nodeUp: true,
  nodeAddresses: [address(n)],
  port: 80,
  tags: [],
  status: "passing",
  ...more,
});

function world(more: Partial<ResolverOptions> = {}) {
  const catalog = new MemoryCatalog();
  const resolver = new Resolver({
    catalog,
    domains: ["consul", "heddle"],
    datacenter: "dc1",
    nameserverAddresses: () => [],
    reversePools: () => [],
    whereIs: () => undefined,
    networksOf: () => [],
    ttl: { nodeSeconds: 0, serviceSeconds: {}, negativeSeconds: 0 },
    health: { onlyPassing: false, panicThreshold: 0 },
    dialects: [],
    subset: { instancesMax: 0, node: "n0" },
    clock: new ManualClock(),
    random: Math.random,
    ...more,
  });
  const ask = async (name: string, type: string) => {
    const result = await resolver.resolve({ name, type: typeNumber(type) ?? 0, class: 1 });
    if (!result) throw new Error(`${name} is not ours`);
    return result;
  };
  return { catalog, ask, resolver };
}

const said = (records: readonly DnsRecord[]) =>
  records.map(({ data }) => {
    if (data.kind === "A" || data.kind === "AAAA") return data.address;
    if (data.kind === "SRV") return `${data.target} ${data.port} ${data.weight}`;
    return data.kind === "CNAME" || data.kind === "PTR" ? data.target : data.kind;
  });

describe("health", () => {
  const anyInstance = fc.record({
    status: fc.constantFrom("passing" as const, "warning" as const, "critical" as const),
    nodeUp: fc.boolean(),
    tags: fc.subarray(["v1", "V2"]),
  });
  const policy: fc.Arbitrary<HealthPolicy> = fc.record({
    onlyPassing: fc.boolean(),
    panicThreshold: fc.constant(0),
  });

  test("no answer of any type names an instance that is critical or on a node that is down", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyInstance, { maxLength: 12 }),
        policy,
        fc.constantFrom("A", "SRV", "ANY"),
        fc.constantFrom("web.service.consul", "v1.web.service.heddle", "_web._v2.consul"),
        async (states, health, type, name) => {
          const { catalog, ask } = world({ health });
          catalog.setService(
            "web",
            states.map((state, i) => instance(i, state)),
          );
          const result = await ask(name, type);
          const tag = name.includes("v1") ? "v1" : name.includes("v2") ? "V2" : undefined;
          const expected = states.flatMap((state, i) => {
            const healthy = state.status === "passing" || (state.status === "warning" && !health.onlyPassing);
            return state.nodeUp && healthy && (tag === undefined || state.tags.includes(tag))
              ? [address(i)]
              : [];
          });
          const named = said(type === "SRV" ? result.additionals : result.answers);
          expect(named.toSorted()).toEqual(expected.toSorted());
          expect(result.rcode).toBe(expected.length === 0 ? rcodes.NXDOMAIN : rcodes.NOERROR);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("a node that is down has no name", async () => {
    const { catalog, ask } = world();
    catalog.setNode("n1", { name: "n1", up: false, addresses: [address(1)], meta: {} });
    expect(await ask("n1.node.consul", "A")).toMatchObject({ rcode: rcodes.NXDOMAIN, answers: [] });
  });

  test("below the panic threshold all instances are named that no operator took out", async () => {
    const { catalog, ask } = world({ health: { onlyPassing: false, panicThreshold: 0.5 } });
    const critical = { status: "critical" as const };
    catalog.setService("web", [
      instance(1, critical),
      instance(2, critical),
      instance(3),
      instance(4, { ...critical, nodeUp: false }),
      instance(5, { ...critical, maintenance: true }),
    ]);
    expect(said((await ask("web.service.consul", "A")).answers)).toEqual([
      address(1),
      address(2),
      address(3),
      address(4),
    ]);
  });
});

describe("panic", () => {
  const states = fc.array(
    fc.record({
      status: fc.constantFrom("passing" as const, "critical" as const),
      nodeUp: fc.boolean(),
      maintenance: fc.boolean(),
      damped: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  );

  test("either the healthy are named, or, when they are too few, all but those in maintenance", async () => {
    await fc.assert(
      fc.asyncProperty(states, fc.constantFrom(0, 0.25, 0.5, 1), async (all, panicThreshold) => {
        const { catalog, ask } = world({ health: { onlyPassing: false, panicThreshold } });
        catalog.setService(
          "web",
          all.map((state, i) => instance(i, state)),
        );
        const where = (keep: (state: (typeof all)[number]) => boolean) =>
          all.flatMap((state, i) => (keep(state) ? [address(i)] : []));
        const healthy = where(
          (each) => each.nodeUp && !each.maintenance && !each.damped && each.status === "passing",
        );
        const expected =
          healthy.length < panicThreshold * all.length ? where((each) => !each.maintenance) : healthy;
        expect(said((await ask("web.service.consul", "A")).answers)).toEqual(expected);
      }),
    );
  });

  test("a service says its own threshold; what cannot be read says nothing", async () => {
    const { catalog, ask } = world();
    const named = async (text: string) => {
      const meta = { "heddle-panic-threshold": text };
      catalog.setService("web", [instance(1, { meta }), instance(2, { meta, status: "critical" })]);
      return (await ask("web.service.consul", "A")).answers.length;
    };
    expect(await named("0.6")).toBe(2);
    for (const text of ["0.5", "0", "-1", "2", "a", ""]) expect([text, await named(text)]).toEqual([text, 1]);
  });
});

describe("a stable part", () => {
  const many = (count: number, more: Partial<ServiceInstance> = {}) =>
    Array.from({ length: count }, (_, i) => instance(i, more));

  test("a client gets the same instances for every type, another one others, and neither is kept", async () => {
    const { catalog, resolver } = world({ subset: { instancesMax: 4, node: "n0" } });
    catalog.setService("web", many(40));
    const of = async (client: string, type: string) => {
      const question = { name: "web.service.consul", type: typeNumber(type) ?? 0, class: 1 };
      const found = await resolver.resolve(question, parseIp(client));
      expect(found?.dependsOn).toEqual([]);
      return said((type === "SRV" ? found?.additionals : found?.answers) ?? []);
    };
    const first = await of("10.9.0.1", "A");
    expect(first).toHaveLength(4);
    expect(await of("10.9.0.1", "A")).toEqual(first);
    expect(await of("10.9.0.1", "SRV")).toEqual(first);
    expect(await of("10.9.0.2", "A")).not.toEqual(first);
  });

  test("what fits is given whole and kept; a service says its own size", async () => {
    const { catalog, ask } = world({ subset: { instancesMax: 4, node: "n0" } });
    catalog.setService("web", many(4));
    expect(await ask("web.service.consul", "A")).toMatchObject({ dependsOn: ["service/web"] });
    catalog.setService("web", many(9, { meta: { "heddle-subset": "7" } }));
    expect((await ask("web.service.consul", "A")).answers).toHaveLength(7);
    catalog.setService("web", many(9, { meta: { "heddle-subset": "0" } }));
    expect((await ask("web.service.consul", "A")).answers).toHaveLength(9);
  });
});

describe("targets", () => {
  test("SRV names the node, the own address, or the host, and never a name that DNS cannot carry", async () => {
    const { catalog, ask } = world();
    catalog.setService("web", [
      instance(1, { weights: { passing: 7, warning: 3 } }),
      instance(2, { status: "warning", weights: { passing: 7, warning: 3 } }),
      instance(3, { address: "10.9.9.9" }),
      instance(4, { address: "db.example.com." }),
      instance(5, { node: "bad..node" }),
      instance(6, { address: `${"x".repeat(70)}.com` }),
    ]);
    const { answers, additionals } = await ask("web.service.consul", "SRV");
    expect(said(answers)).toEqual([
      "n1.node.dc1.consul 80 7",
      "n2.node.dc1.consul 80 3",
      "0a090909.addr.dc1.consul 80 1",
      "db.example.com 80 1",
      "0a000005.addr.dc1.consul 80 1",
    ]);
    expect(said(additionals)).toEqual([address(1), address(2), "10.9.9.9", address(5)]);
  });

  test.each([
    ["beside its address", { address: "10.9.0.1", lanAddresses: [parseIp("10.9.0.1"), parseIp("fd00::9")] }],
    [
      "in the place of its address",
      { address: "192.0.2.1", lanAddresses: [parseIp("10.9.0.1"), parseIp("fd00::9")] },
    ],
    [
      "in the place of a host name",
      { address: "web.example.com", lanAddresses: [parseIp("10.9.0.1"), parseIp("fd00::9")] },
    ],
    ["for the other family only", { address: "10.9.0.1", lanAddresses: [parseIp("fd00::9")] }],
  ])("an instance has one address of each family, by its tagged ones %s", async (_what, more) => {
    const { catalog, ask } = world();
    catalog.setService("web", [instance(1, more)]);
    expect(said((await ask("web.service.consul", "A")).answers)).toEqual(["10.9.0.1"]);
    expect(said((await ask("web.service.consul", "AAAA")).answers)).toEqual(["fd00::9"]);
    const { answers, additionals } = await ask("web.service.consul", "SRV");
    expect(said(answers)).toEqual(["0a090001.addr.dc1.consul 80 1"]);
    expect(said(additionals)).toEqual(["10.9.0.1"]);
  });

  test("tagged addresses that are its node's lead to the node by name", async () => {
    const { catalog, ask } = world();
    catalog.setService("web", [instance(1, { lanAddresses: [address(1)] })]);
    expect(said((await ask("web.service.consul", "SRV")).answers)).toEqual(["n1.node.dc1.consul 80 1"]);
  });

  test("one address on many ports is one A and many SRV", async () => {
    const { catalog, ask } = world();
    catalog.setService(
      "web",
      [1, 2, 3].map((port) => instance(1, { port })),
    );
    expect((await ask("web.service.consul", "A")).answers).toHaveLength(1);
    expect((await ask("web.service.consul", "SRV")).answers).toHaveLength(3);
    expect((await ask("web.service.consul", "SRV")).additionals).toHaveLength(1);
  });

  test("a host name is a CNAME, followed within our domains and not in rings", async () => {
    const { catalog, ask } = world();
    catalog.setNode("n1", { name: "n1", up: true, addresses: [address(1)], meta: {} });
    catalog.setService("inner", [instance(1, { address: "n1.node.heddle" })]);
    catalog.setService("outer", [instance(1, { address: "db.example.com" })]);
    catalog.setService("ring", [instance(1, { address: "ring.service.consul" })]);
    expect(said((await ask("inner.service.consul", "A")).answers)).toEqual(["n1.node.heddle", address(1)]);
    expect(await ask("outer.service.consul", "A")).toMatchObject({ chase: "db.example.com" });
    expect((await ask("ring.service.consul", "A")).answers).toHaveLength(4);
  });
});

describe("negative answers and TTLs", () => {
  test("a name that exists without the asked type is NODATA, with SOA and the negative TTL", async () => {
    const { catalog, ask } = world({ ttl: { nodeSeconds: 0, serviceSeconds: {}, negativeSeconds: 9 } });
    catalog.setService("web", [instance(1)]);
    for (const type of ["AAAA", "MX", "TYPE65"]) {
      const { rcode, answers, authorities } = await ask("web.service.consul", type);
      expect({ rcode, answers }).toEqual({ rcode: rcodes.NOERROR, answers: [] });
      expect(authorities[0]).toMatchObject({
        name: "consul",
        ttlSeconds: 9,
        data: { kind: "SOA", minimumSeconds: 9 },
      });
    }
  });

  test("service TTL: exact name, then the longest prefix, then 0", async () => {
    const serviceSeconds = { web: 1, "we*": 2, "web-*": 3 };
    const { catalog, ask } = world({ ttl: { nodeSeconds: 0, serviceSeconds, negativeSeconds: 0 } });
    const seen: Record<string, number | undefined> = {};
    for (const name of ["web", "weather", "web-a", "db"]) {
      catalog.setService(name, [instance(1)]);
      seen[name] = (await ask(`${name}.service.consul`, "A")).answers[0]?.ttlSeconds;
    }
    expect(seen).toEqual({ web: 1, weather: 2, "web-a": 3, db: 0 });
  });

  test("ANY gives one part of the truth", async () => {
    const { catalog, ask } = world();
    catalog.setNode("n1", {
      name: "n1",
      up: true,
      addresses: [address(1), parseIp("fd00::1")],
      meta: { a: "b" },
    });
    expect(said((await ask("n1.node.consul", "ANY")).answers)).toEqual([address(1)]);
  });

  test("the SOA serial rises with changes, not with time", async () => {
    const clock = new ManualClock();
    const { resolver, ask } = world({ clock });
    const serial = async () => {
      const data = (await ask("consul", "SOA")).answers[0]?.data;
      return data?.kind === "SOA" ? data.serial : 0;
    };
    const before = await serial();
    await clock.advance(5000);
    expect(await serial()).toBe(before);
    resolver.noteChange();
    expect(await serial()).toBe(before + 5);
  });

  test("names outside of our domains and pools are not ours", async () => {
    const { resolver } = world();
    for (const name of ["example.com", "consul.example.com", "", "1.0.0.10.in-addr.arpa"]) {
      expect(await resolver.resolve({ name, type: typeNumbers.A, class: 1 })).toBeUndefined();
    }
  });
});
