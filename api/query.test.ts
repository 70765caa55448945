/** Prepared queries on the wire. */
import { describe, expect, test } from "vitest";
import { startApi, until } from "../test/fixtures/api.ts";

type Api = Awaited<ReturnType<typeof startApi>>;

async function call(api: Api, line: string, body?: object) {
  const [method = "GET", path = "/"] = line.split(" ");
  const answer = await api.client.exchange(method, path, body && JSON.stringify(body));
  return { status: answer.status, headers: answer.headers, text: answer.body.toString() };
}

async function create(api: Api, Service: object, more: object = {}): Promise<string> {
  const { status, text } = await call(api, "POST /v1/query", {
    ...more,
    Service: { Service: "web", ...Service },
  });
  expect(status, text).toBe(200);
  return JSON.parse(text).ID;
}

async function withServices() {
  const api = await startApi();
  for (const [ID, Tags, Status] of [
    ["p", ["v1", "eu"], "passing"],
    ["w", ["v1"], "warning"],
    ["c", ["v1"], "critical"],
  ] as const) {
    const Check = { CheckID: `check-${ID}`, TTL: "1m", Status };
    await call(api, "PUT /v1/agent/service/register", { Name: "web", ID, Tags, Meta: { zone: ID }, Check });
  }
  return api;
}

async function execute(api: Api, id: string, query = ""): Promise<string[]> {
  const { status, text } = await call(api, `GET /v1/query/${id}/execute${query}`);
  expect(status, text).toBe(200);
  return JSON.parse(text)
    .Nodes.map((one: { Service: { ID: string } }) => one.Service.ID)
    .sort();
}

describe("execute", () => {
  test.each([
    [{}, ["p", "w"]],
    [{ OnlyPassing: true }, ["p"]],
    [{ Tags: ["V1", "!eu"] }, ["w"]],
    [{ IgnoreCheckIDs: ["check-c"] }, ["c", "p", "w"]],
    [{ ServiceMeta: { zone: "w" } }, ["w"]],
    [{ NodeMeta: { rack: "1" } }, []],
    [{ Near: "_agent", Failover: { NearestN: 2, Datacenters: ["dc2"] } }, ["p", "w"]],
  ])("%j answers %j", async (service, ids) => {
    const api = await withServices();
    expect(await execute(api, await create(api, service))).toEqual(ids);
  });

  test("goes by name, too, and no further than the limit; what is not there is 404", async () => {
    const api = await withServices();
    const id = await create(api, {}, { Name: "Geo.web", DNS: { TTL: "10s" } });
    expect(await execute(api, "geo.web", "?limit=1")).toHaveLength(1);
    const { text, headers } = await call(api, `GET /v1/query/${id}/execute`);
    expect(JSON.parse(text)).toMatchObject({
      Service: "web",
      Datacenter: "dc1",
      Failovers: 0,
      DNS: { TTL: "10s" },
    });
    expect(Number(headers["x-consul-index"])).toBeGreaterThan(0);
    expect(await call(api, "GET /v1/query/none/execute")).toMatchObject({
      status: 404,
      text: "Query not found",
    });
    expect((await call(api, "GET /v1/query/geo.web/explain")).text).toContain('"Query":{');
  });

  test("the order is another each time", async () => {
    const api = await startApi();
    for (let at = 0; at < 8; at++)
      await call(api, "PUT /v1/agent/service/register", { Name: "web", ID: String(at) });
    const id = await create(api, {});
    const orders = new Set<string>();
    for (let at = 0; at < 20; at++) {
      const { Nodes } = JSON.parse((await call(api, `GET /v1/query/${id}/execute`)).text);
      orders.add(Nodes.map((one: { Service: { ID: string } }) => one.Service.ID).join());
    }
    expect(orders.size).toBeGreaterThan(1);
  });
});

const template = { Type: "name_prefix_match" };

describe("templates", () => {
  async function resolved(api: Api, name: string) {
    const { text, status } = await call(api, `GET /v1/query/${name}/explain`);
    return status === 200 ? JSON.parse(text).Query : status;
  }

  test("stand for the name, its parts and what the expression finds in it", async () => {
    const api = await startApi();
    await create(
      api,
      {
        Service: "mysql-${match(1)}",
        Tags: ["${match(2)}", "${match(9)}", "$${plain}", "${ name.suffix }"],
        NodeMeta: { full: "${name.full}", prefix: "${name.prefix}", segment: "[${agent.segment}]" },
        Failover: { Datacenters: ["${match(2)}"] },
      },
      {
        Name: "geo-db-",
        Template: { ...template, Regexp: "^geo-db-(.*?)-([^\\-]+?)$", RemoveEmptyTags: true },
      },
    );
    expect(await resolved(api, "Geo-DB-x")).toMatchObject({
      Service: { Service: "mysql-", Tags: ["${plain}", "x"] },
    });
    expect(await resolved(api, "geo-db-customer-master")).toMatchObject({
      Service: {
        Service: "mysql-customer",
        Tags: ["master", "${plain}", "customer-master"],
        NodeMeta: { full: "geo-db-customer-master", prefix: "geo-db-", segment: "[]" },
        Failover: { Datacenters: ["master"] },
      },
      Template: { Type: "name_prefix_match", RemoveEmptyTags: true },
    });
  });

  test("the longest prefix wins, an exact name wins over it, the empty prefix fits all", async () => {
    const api = await startApi();
    const byName = async (name: string, Template: object | undefined) =>
      create(api, { Service: `for-${name || "all"}` }, { Name: name, ...(Template && { Template }) });
    await byName("geo", template);
    await byName("geo-db", template);
    await byName("geo-db-x", undefined);
    const service = async (name: string) => (await resolved(api, name)).Service?.Service;
    expect(await resolved(api, "other")).toBe(404);
    const all = await byName("", template);
    expect(await service("other")).toBe("for-all");
    expect(await service("geo-")).toBe("for-geo");
    expect(await service("geo-db-y")).toBe("for-geo-db");
    expect(await service("GEO-DB-X")).toBe("for-geo-db-x");
    expect(await service("geo-db")).toBe("for-geo-db");
    expect(
      await call(api, "POST /v1/query", { Template: template, Service: { Service: "x" } }),
    ).toMatchObject({
      status: 400,
      text: "name '' aliases an existing query name",
    });
    expect(await call(api, `GET /v1/query/${all}/execute`)).toMatchObject({
      status: 400,
      text: "prepared query templates can only be resolved up by name, not by ID",
    });
    await call(api, `DELETE /v1/query/${all}`);
    expect(await resolved(api, "other")).toBe(404);
    expect(await resolved(api, "x".repeat(600))).toBe(404);
  });

  test("are executed as what they stand for", async () => {
    const api = await withServices();
    await create(api, { Service: "${name.suffix}" }, { Name: "of-", Template: template });
    expect(await execute(api, "of-web")).toEqual(["p", "w"]);
    expect(await execute(api, "of-none")).toEqual([]);
  });
});

describe("sessions", () => {
  test("take their queries along, and their names", async () => {
    const api = await startApi();
    const { ID: session } = JSON.parse((await call(api, "PUT /v1/session/create", {})).text);
    const id = await create(api, {}, { Name: "mine", Session: session });
    expect(JSON.parse((await call(api, `GET /v1/query/${id}`)).text)).toMatchObject([{ Session: session }]);
    await create(api, {}, { Name: "stays" });
    await call(api, `PUT /v1/session/destroy/${session}`);
    expect(api.registry.queries().map(({ name }) => name)).toEqual(["stays"]);
    await create(api, {}, { Name: "mine" });
    const refused = await call(api, "POST /v1/query", { Session: session, Service: { Service: "web" } });
    expect(refused).toMatchObject({ status: 500, text: `invalid session "${session}"` });
  });
});

describe("failover", () => {
  test.each([
    [{ NearestN: 3, Datacenters: ["dc2", "dc3"] }, 0],
    [{ Targets: [{ Datacenter: "dc2" }, { Peer: "a" }, { Peer: "b" }] }, 2],
  ])("%j: unknown datacenters are passed over, peers are tried in vain", async (Failover, failovers) => {
    const api = await withServices();
    const id = await create(api, { Service: "none", Failover });
    const { text } = await call(api, `GET /v1/query/${id}/execute`);
    expect(JSON.parse(text)).toMatchObject({ Nodes: [], Datacenter: "dc1", Failovers: failovers });
    const found = await create(api, { Failover });
    const answer = await call(api, `GET /v1/query/${found}/execute`);
    expect(JSON.parse(answer.text)).toMatchObject({ Failovers: 0 });
  });
});

describe("a mesh of one's own", () => {
  test("kind, proxy and native are kept, shown, filtered by, and found by the service that they speak for", async () => {
    const api = await withServices();
    const proxy = {
      destination_service_name: "web",
      LocalServicePort: 80,
      Upstreams: [{ DestinationName: "db", LocalBindPort: 1 }],
    };
    const sidecar = { Name: "web-proxy", Kind: "connect-proxy", Port: 20_000, Proxy: proxy };
    expect((await call(api, "PUT /v1/agent/service/register", sidecar)).status).toBe(200);
    await call(api, "PUT /v1/agent/service/register", { Name: "api", Connect: { Native: true } });
    const shown = {
      Kind: "connect-proxy",
      Proxy: { DestinationServiceName: "web", LocalServicePort: 80, Upstreams: proxy.Upstreams },
    };
    const read = async (path: string) => JSON.parse((await call(api, `GET ${path}`)).text);
    expect(await read("/v1/agent/service/web-proxy")).toMatchObject(shown);
    expect(await read("/v1/health/connect/WEB")).toMatchObject([{ Service: { ID: "web-proxy", ...shown } }]);
    expect(await read("/v1/catalog/connect/api")).toMatchObject([
      { ServiceName: "api", ServiceKind: "", ServiceConnect: { Native: true } },
    ]);
    expect(await read("/v1/catalog/service/web-proxy?filter=ServiceKind==`connect-proxy`")).toHaveLength(1);
    expect(
      await read("/v1/catalog/service/web-proxy?filter=ServiceProxy.DestinationServiceName==db"),
    ).toHaveLength(0);
    expect(await execute(api, await create(api, { Connect: true }))).toEqual(["web-proxy"]);
    expect(await execute(api, await create(api, {}), "?connect=true")).toEqual(["web-proxy"]);
    await call(api, "PUT /v1/agent/service/deregister/web-proxy");
    expect(await read("/v1/health/connect/web")).toEqual([]);
  });

  test.each([
    [{ Kind: "container" }, /Invalid service kind/],
    [{ Kind: "connect-proxy", Port: 1 }, /DestinationServiceName must be non-empty/],
    [{ Kind: "connect-proxy", Proxy: { DestinationServiceName: "web" } }, /Port must be set/],
    [{ Connect: { SidecarService: {} } }, /SidecarService/],
    [{ Proxy: { DestinationServiceName: "w", Config: { x: "y".repeat(20_000) } } }, /Proxy is longer/],
  ])("%j is 400", async (body, text) => {
    const api = await startApi();
    const answer = await call(api, "PUT /v1/agent/service/register", { Name: "x", ...body });
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(text);
  });
});

describe("definitions", () => {
  test("are read, changed and deleted; readers wake", async () => {
    const api = await startApi();
    const id = await create(api, {}, { Name: "a" });
    const first = await call(api, `GET /v1/query/${id}`);
    expect(JSON.parse(first.text)).toMatchObject([
      { ID: id, Name: "a", Service: { Service: "web", Tags: [] } },
    ]);
    const poll = call(api, `GET /v1/query?index=${String(first.headers["x-consul-index"])}`);
    await until(() => api.registry.status().waiters === 1);
    expect((await call(api, `PUT /v1/query/${id}`, { Name: "b", Service: { Service: "api" } })).status).toBe(
      200,
    );
    expect(JSON.parse((await poll).text)).toMatchObject([{ Name: "b", Service: { Service: "api" } }]);
    expect((await call(api, "GET /v1/query/a/execute")).status).toBe(404);
    expect((await call(api, `DELETE /v1/query/${id}`)).status).toBe(200);
    expect((await call(api, `DELETE /v1/query/${id}`)).status).toBe(200);
    expect(await call(api, `GET /v1/query/${id}`)).toMatchObject({ status: 404, text: "Query not found" });
    expect((await call(api, `PUT /v1/query/${id}`, { Service: { Service: "api" } })).status).toBe(404);
  });

  test("a name belongs to one query at a time, and is free again after it", async () => {
    const api = await startApi();
    const created = await Promise.allSettled(
      Array.from({ length: 5 }, () => create(api, {}, { Name: "same" })),
    );
    expect(created.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const [held] = api.registry.queries();
    const taken = await call(api, "POST /v1/query", { Name: "SAME", Service: { Service: "web" } });
    expect(taken).toMatchObject({ status: 400, text: "name 'SAME' aliases an existing query name" });
    await call(api, `DELETE /v1/query/${held?.id}`);
    await create(api, {}, { Name: "same" });
  });

  test.each([
    [{}, /^Must provide a Service name/],
    [{ Service: { Service: "x" }, Template: { Type: "regexp" } }, /unsupported Template.Type 'regexp'/],
    [
      { Service: { Service: "${name.middle}" }, Template: { Type: "name_prefix_match" } },
      /^Bad template: .*name\.middle/,
    ],
    [
      { Service: { Service: "x" }, Template: { Type: "name_prefix_match", Regexp: "(" } },
      /^Bad template: error parsing regexp/,
    ],
    [{ Service: { Service: "x", Failover: { NearestN: -1 } } }, /^Bad NearestN '-1', must be >= 0/],
    [
      { Service: { Service: "x", Failover: { NearestN: 1, Targets: [{ Peer: "p" }] } } },
      /^Targets cannot be populated with NearestN or Datacenters/,
    ],
    [{ Service: { Service: "x" }, DNS: { TTL: "-1s" } }, /^DNS TTL '-1s', must be >=0/],
    [{ Service: { Service: "x", Tags: ["x".repeat(9000)] } }, /larger than/],
  ])("%j is 400", async (body, text) => {
    const answer = await call(await startApi(), "POST /v1/query", body);
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(text);
  });

  test("Consul's npm client makes, changes, runs and deletes them", async () => {
    const { consul } = await withServices();
    const { ID } = await consul.query.create({
      name: "q",
      service: { service: "web", onlypassing: true },
    } as never);
    expect(await consul.query.list()).toHaveLength(1);
    expect(await consul.query.get(ID)).toMatchObject({ Name: "q", Service: { OnlyPassing: true } });
    expect(await consul.query.execute("q")).toMatchObject({ Nodes: [{ Service: { ID: "p" } }] });
    await consul.query.update({ query: ID, service: { service: "web" } } as never);
    expect((await consul.query.execute(ID)).Nodes).toHaveLength(2);
    // Its types forget this one.
    await (consul.query as unknown as { destroy(id: string): Promise<void> }).destroy(ID);
    expect(await consul.query.list()).toEqual([]);
  });
});
