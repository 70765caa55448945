/** Names of prepared queries, and the order of answers by nearness. */
import { describe, expect, test } from "vitest";
import { type Cidr, parseCidr, parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { rcodes, typeNumber } from "../wire/index.ts";
import { changeKey, MemoryCatalog, Resolver, type ServiceInstance, type Standpoint } from "./index.ts";

function coordinate(seconds: number) {
  return { vector: [seconds, 0, 0, 0, 0, 0, 0, 0], error: 0, adjustment: 0, height: 0 };
}

function instance(n: number, more: Partial<ServiceInstance> = {}): ServiceInstance {
  return {
    node: `n${n}`,
    nodeUp: true,
    nodeAddresses: [parseIp(`10.0.0.${n}`)],
    port: 80,
    tags: [],
    status: "passing",
    ...more,
  };
}

function world(whereIs: (subnet: Cidr) => Standpoint | undefined = () => undefined) {
  const catalog = new MemoryCatalog();
  const resolver = new Resolver({
    catalog,
    domains: ["consul", "heddle"],
    dialects: [],
    datacenter: "dc1",
    nameserverAddresses: () => [],
    reversePools: () => [],
    networksOf: () => [],
    ttl: { nodeSeconds: 0, serviceSeconds: { web: 7 }, negativeSeconds: 0 },
    health: { onlyPassing: false, panicThreshold: 0 },
    subset: { instancesMax: 0, node: "n2" },
    whereIs,
    clock: new ManualClock(),
    random: Math.random,
  });
  const ask = async (name: string, type: string, client?: string, subnet?: string) => {
    const question = { name, type: typeNumber(type) ?? 0, class: 1 };
    const from = client === undefined ? undefined : parseIp(client);
    const found = await resolver.resolve(
      question,
      from,
      subnet === undefined ? undefined : parseCidr(subnet),
    );
    if (!found) throw new Error(`${name} is not ours`);
    return found;
  };
  const order = async (name: string, client?: string, subnet?: string) =>
    (await ask(name, "A", client, subnet)).answers.map(({ data }) =>
      data.kind === "A" ? data.address : data.kind,
    );
  return { catalog, ask, order };
}

describe("a query's name", () => {
  test("answers what the query finds, with its TTL or else the service's", async () => {
    const { catalog, ask } = world();
    catalog.setQuery("geo.web", { service: "web", instances: [instance(1)], ttlSeconds: 30, near: "" });
    catalog.setQuery("plain", { service: "web", instances: [instance(1)], ttlSeconds: 0, near: "" });
    for (const [name, ttlSeconds] of [
      ["geo.web.query.consul", 30],
      ["Geo.Web.query.dc1.heddle", 30],
      ["plain.query.consul", 7],
    ] as const)
      expect(await ask(name, "A")).toMatchObject({
        rcode: rcodes.NOERROR,
        answers: [{ name, ttlSeconds, data: { kind: "A", address: "10.0.0.1" } }],
      });
    const srv = await ask("_plain._tcp.query.consul", "SRV");
    expect(srv.answers).toMatchObject([{ data: { kind: "SRV", port: 80, target: "n1.node.dc1.consul" } }]);
    expect(srv.additionals).toMatchObject([{ data: { address: "10.0.0.1" } }]);
    expect(srv.dependsOn).toEqual([changeKey({ kind: "query", name: "plain" })]);
  });

  test("does not exist without a query, without instances, or in another datacenter", async () => {
    const { catalog, ask } = world();
    catalog.setQuery("empty", { service: "web", instances: [], ttlSeconds: 0, near: "" });
    for (const name of ["none.query.consul", "empty.query.consul", "empty.query.dc2.consul"])
      expect(await ask(name, "A")).toMatchObject({
        rcode: rcodes.NXDOMAIN,
        authorities: [{ data: { kind: "SOA" } }],
      });
    expect(await ask("query.consul", "A")).toMatchObject({ rcode: rcodes.NOERROR, answers: [] });
  });

  test("follows a host name to a CNAME", async () => {
    const { catalog, ask } = world();
    const instances = [instance(1, { address: "www.example.com" })];
    catalog.setQuery("out", { service: "web", instances, ttlSeconds: 0, near: "" });
    expect(await ask("out.query.consul", "A")).toMatchObject({
      answers: [{ data: { kind: "CNAME", target: "www.example.com" } }],
      chase: "www.example.com",
    });
  });
});

describe("a virtual name", () => {
  test.each(["web.virtual.consul", "web.virtual.dc1.consul", "web.ingress.consul", "web.connect.consul"])(
    "%s does not exist: there is no mesh to have an address",
    async (name) => {
      const { catalog, ask } = world();
      catalog.setService("web", [instance(1)]);
      expect(await ask(name, "A")).toMatchObject({ rcode: rcodes.NXDOMAIN });
    },
  );
});

describe("nearness", () => {
  const spread = [
    instance(1, { zone: "z1", coordinate: coordinate(0.3) }),
    instance(2, { zone: "z1", coordinate: coordinate(0.1) }),
    instance(3, { zone: "z2", coordinate: coordinate(0.05) }),
    instance(4, { zone: "z2" }),
    instance(5, { zone: "z1" }),
  ];

  test("_agent: the own node, then by distance, then who has no coordinates, the own zone first", async () => {
    const { catalog, ask, order } = world();
    const node = { name: "n2", up: true, addresses: [], meta: {}, zone: "z1", coordinate: coordinate(0) };
    catalog.setNode("n2", node);
    catalog.setQuery("q", { service: "web", instances: spread, ttlSeconds: 0, near: "_agent" });
    expect(await order("q.query.consul")).toEqual([2, 3, 1, 5, 4].map((n) => `10.0.0.${n}`));
    expect(await ask("q.query.consul", "A")).toMatchObject({ anyOrder: false, dependsOn: [] });
  });

  test("a node that is named: by the distance from it", async () => {
    const { catalog, order } = world();
    const answer = { service: "web", instances: spread.slice(0, 3), ttlSeconds: 0 };
    catalog.setQuery("q", { ...answer, near: "far", origin: coordinate(0.4) });
    expect(await order("q.query.consul")).toEqual(["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
  });

  test("_ip: the subnet that the resolver names, else the client", async () => {
    const { catalog, order } = world((subnet) =>
      subnet === "10.9.0.0/24" ? { node: "n3" } : subnet === "10.8.0.1/32" ? { node: "n1" } : undefined,
    );
    const instances = [1, 2, 3].map((n) => instance(n));
    catalog.setQuery("q", { service: "web", instances, ttlSeconds: 0, near: "_ip" });
    expect((await order("q.query.consul", "10.8.0.1"))[0]).toBe("10.0.0.1");
    expect((await order("q.query.consul", "10.8.0.1", "10.9.0.0/24"))[0]).toBe("10.0.0.3");
    expect(await order("q.query.consul", "10.7.0.1")).toHaveLength(3);
  });

  test("a service's instances in the zone of the subnet come first, and the answer is for that subnet alone", async () => {
    const { catalog, ask, order } = world((subnet) =>
      subnet === "10.9.0.0/24" ? { zone: "z2" } : undefined,
    );
    catalog.setService(
      "web",
      spread.map(({ coordinate: _none, ...rest }) => rest),
    );
    for (let turn = 0; turn < 20; turn++) {
      const found = await order("web.service.consul", "127.0.0.1", "10.9.0.0/24");
      expect(new Set(found.slice(0, 2))).toEqual(new Set(["10.0.0.3", "10.0.0.4"]));
      expect(found).toHaveLength(5);
    }
    const near = await ask("web.service.consul", "A", "127.0.0.1", "10.9.0.0/24");
    expect(near).toMatchObject({ tailored: true, anyOrder: false, dependsOn: [] });
    const other = await ask("web.service.consul", "A", "127.0.0.1", "10.1.0.0/24");
    expect(other).toMatchObject({ anyOrder: true, dependsOn: ["service/web"] });
    expect(other.tailored).toBeUndefined();
  });
});
