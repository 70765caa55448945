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
    [{ Service: { Service: "x", Connect: true } }, /mesh/],
    [{ Service: { Service: "x" }, Session: "s" }, /session/],
    [{ Service: { Service: "x" }, Template: { Type: "name_prefix_match" } }, /templates/],
    [{ Service: { Service: "x", Failover: { Targets: [{ Peer: "p" }] } } }, /failover targets/],
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
