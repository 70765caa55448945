/** What an agent says of its services beside listing them: by status code, by hash, in maintenance; and of itself. */
import { describe, expect, test } from "vitest";
import { systemClock } from "../../clock/index.ts";
import type { RegistryWriter } from "../../registry/index.ts";
import { agentBackend, nodeRecord, startApi } from "../../test/fixtures/api.ts";
import { createApi } from "../create-api.ts";

type Api = Awaited<ReturnType<typeof startApi>>;

async function call(api: Api, line: string, body?: object) {
  const [method = "GET", path = "/"] = line.split(" ");
  const answer = await api.client.exchange(method, path, body && JSON.stringify(body));
  return { status: answer.status, headers: answer.headers, text: answer.body.toString() };
}

async function web(api: Api, id: string, status: string) {
  const body = { Name: "web", ID: id, Check: { TTL: "1m", Status: status } };
  expect((await call(api, "PUT /v1/agent/service/register", body)).status).toBe(200);
}

describe("health by status code", () => {
  test.each([
    ["passing", 200],
    ["warning", 429],
    ["critical", 503],
  ])("%s is %i, by id and by name, as JSON and as text", async (status, code) => {
    const api = await startApi();
    await web(api, "w/1", status);
    for (const path of ["id/w/1", "name/web"]) {
      const shown = await call(api, `GET /v1/agent/health/service/${path}`);
      expect(shown.status).toBe(code);
      const [one] = [JSON.parse(shown.text)].flat();
      expect(one).toMatchObject({
        AggregatedStatus: status,
        Service: { ID: "w/1" },
        Checks: [{ Status: status }],
      });
      expect(await call(api, `GET /v1/agent/health/service/${path}?format=text`)).toMatchObject({
        status: code,
        text: status,
      });
    }
  });

  test("of a name the worst instance decides; of one that is not here it is 404", async () => {
    const api = await startApi();
    await web(api, "1", "passing");
    await web(api, "2", "warning");
    expect((await call(api, "GET /v1/agent/health/service/name/web")).status).toBe(429);
    expect((await call(api, "GET /v1/agent/health/service/id/1")).status).toBe(200);
    expect(await call(api, "GET /v1/agent/health/service/name/no")).toMatchObject({
      status: 404,
      text: "[]",
    });
    expect(await call(api, "GET /v1/agent/health/service/id/no?format=text")).toMatchObject({
      status: 404,
      text: "ServiceId no not found",
    });
  });

  test("a check of the node counts for all its services", async () => {
    const api = await startApi();
    await web(api, "1", "passing");
    await call(api, "PUT /v1/agent/check/register", { Name: "disk", TTL: "1m", Status: "critical" });
    expect((await call(api, "GET /v1/agent/health/service/id/1")).status).toBe(503);
  });
});

describe("maintenance", () => {
  test("takes a service out and puts it back, with the reason shown; twice is fine", async () => {
    const api = await startApi();
    await web(api, "1", "passing");
    const set = (query: string) => call(api, `PUT /v1/agent/service/maintenance/1?${query}`);
    for (let times = 0; times < 2; times++)
      expect((await set("enable=true&reason=disk%20swap")).status).toBe(200);
    const checks = JSON.parse((await call(api, "GET /v1/agent/checks")).text);
    expect(checks["_service_maintenance:1"]).toMatchObject({
      Name: "Service Maintenance Mode",
      Status: "critical",
      Notes: "disk swap",
      ServiceID: "1",
    });
    expect(await call(api, "GET /v1/agent/health/service/id/1?format=text")).toMatchObject({
      status: 503,
      text: "maintenance",
    });
    expect((await call(api, "GET /v1/health/service/web?passing")).text).toBe("[]");
    for (let times = 0; times < 2; times++) expect((await set("enable=false")).status).toBe(200);
    expect(JSON.parse((await call(api, "GET /v1/health/service/web?passing")).text)).toHaveLength(1);
  });

  test("of the node takes out all its services", async () => {
    const api = await startApi();
    await web(api, "1", "passing");
    expect((await call(api, "PUT /v1/agent/maintenance?enable=true")).status).toBe(200);
    expect((await call(api, "GET /v1/health/service/web?passing")).text).toBe("[]");
    expect(JSON.parse((await call(api, "GET /v1/health/node/n1")).text)).toMatchObject([
      { CheckID: "serfHealth" },
      { CheckID: "_node_maintenance", Notes: expect.stringContaining("no reason was provided") },
      { CheckID: "service:1" },
    ]);
    await call(api, "PUT /v1/agent/maintenance?enable=false");
    expect(JSON.parse((await call(api, "GET /v1/health/service/web?passing")).text)).toHaveLength(1);
  });

  test.each([
    ["PUT /v1/agent/maintenance", 400, "Missing value for enable"],
    ["PUT /v1/agent/maintenance?enable=maybe", 400, 'Invalid value for enable: "maybe"'],
    ["PUT /v1/agent/service/maintenance/none?enable=true", 404, /^Unknown service ID "none"/],
  ])("%s is %i", async (line, status, text) => {
    const answer = await call(await startApi(), line);
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(text);
  });

  test("Consul's npm client sets it", async () => {
    const api = await startApi();
    await web(api, "1", "passing");
    await api.consul.agent.maintenance({ enable: true, reason: "x" });
    await api.consul.agent.service.maintenance({ id: "1", enable: true });
    expect(Object.keys(await api.consul.agent.check.list())).toHaveLength(3);
    await api.consul.agent.maintenance(false);
    await api.consul.agent.service.maintenance({ id: "1", enable: false });
    expect(Object.keys(await api.consul.agent.check.list())).toHaveLength(1);
  });
});

describe("blocking by hash", () => {
  test("answers when the service changes, and not for another", async () => {
    const api = await startApi();
    await web(api, "1", "passing");
    const first = await call(api, "GET /v1/agent/service/1");
    const hash = String(first.headers["x-consul-contenthash"]);
    expect(JSON.parse(first.text).ContentHash).toBe(hash);
    let isAnswered = false;
    const poll = call(api, `GET /v1/agent/service/1?hash=${hash}&wait=1m`).finally(() => {
      isAnswered = true;
    });
    await web(api, "2", "passing");
    expect(isAnswered).toBe(false);
    await call(api, "PUT /v1/agent/service/register", { Name: "web", ID: "1", Port: 81 });
    const { text, headers } = await poll;
    expect(JSON.parse(text).Port).toBe(81);
    expect(headers["x-consul-contenthash"]).not.toBe(hash);
  });

  test("answers 404 when the service goes, the same after its time, and at once for another hash", async () => {
    const api = await startApi();
    await web(api, "1", "passing");
    const hash = String((await call(api, "GET /v1/agent/service/1")).headers["x-consul-contenthash"]);
    expect((await call(api, `GET /v1/agent/service/1?hash=${hash}&wait=10ms`)).status).toBe(200);
    expect((await call(api, "GET /v1/agent/service/1?hash=other&wait=5m")).status).toBe(200);
    const poll = call(api, `GET /v1/agent/service/1?hash=${hash}&wait=1m`);
    await call(api, "PUT /v1/agent/service/deregister/1");
    expect((await poll).status).toBe(404);
  });
});

describe("the process and its server", () => {
  test("metrics are JSON, or text for Prometheus", async () => {
    const api = await startApi();
    await web(api, "1", "critical");
    const { Gauges, Timestamp } = JSON.parse((await call(api, "GET /v1/agent/metrics")).text);
    expect(Gauges).toContainEqual({ Name: "heddle.agent.checks.critical", Value: 1, Labels: {} });
    expect(Timestamp).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC$/);
    const { text } = await call(api, "GET /v1/agent/metrics?format=prometheus");
    expect(text).toContain("# TYPE heddle_agent_services gauge\nheddle_agent_services 1\n");
    expect((await call(api, "GET /v1/agent/metrics?format=xml")).status).toBe(400);
    await api.consul.agent.reload();
  });

  test("force-leave removes a dead node, leaves a living one, and knows no other", async () => {
    const api = await startApi();
    await api.writer.upsertNode(nodeRecord("dead"));
    for (const name of ["n1", "dead"]) await api.consul.agent.forceLeave(name);
    expect(api.registry.nodes().map(({ name }) => name)).toEqual(["n1"]);
    expect((await call(api, "PUT /v1/agent/force-leave/none")).status).toBe(500);
  });

  test("the server shows itself as the only one, and no coordinates", async () => {
    const api = await startApi();
    const raft = JSON.parse((await call(api, "GET /v1/operator/raft/configuration")).text);
    expect(raft.Servers).toMatchObject([
      { Node: "n1", Address: "127.0.0.1:8300", Leader: true, Voter: true },
    ]);
    expect(await call(api, "GET /v1/operator/autopilot/health")).toMatchObject({
      status: 200,
      text: expect.stringContaining('"Healthy":true'),
    });
    expect((await call(api, "GET /v1/coordinate/nodes")).text).toBe("[]");
    expect((await call(api, "GET /v1/coordinate/node/n1")).status).toBe(404);
    expect(JSON.parse((await call(api, "GET /v1/coordinate/datacenters")).text)).toMatchObject([
      { Datacenter: "dc1" },
    ]);
    expect((await call(api, "GET /v1/operator/keyring")).status).toBe(501);
  });

  test("an agent leaves to its server what the server may support", async () => {
    const api = await startApi();
    const asked: string[] = [];
    const handle = createApi({
      self: { node: "n1", id: "", address: "::1", datacenter: "dc1", version: "1", server: false, meta: {} },
      clock: systemClock,
      agent: agentBackend(api.state, {} as RegistryWriter),
      forward: async ({ target }) => {
        asked.push(target);
        return { status: 200, headers: {}, body: "" };
      },
    });
    const targets = [
      "/v1/operator/raft/configuration",
      "/v1/agent/force-leave/x",
      "/v1/txn",
      "/v1/connect/ca/roots",
    ];
    for (const target of targets)
      await handle({ method: "PUT", target, headers: {}, body: new Uint8Array(0) });
    expect(asked).toEqual(targets);
    const leave = await handle({
      method: "PUT",
      target: "/v1/agent/leave",
      headers: {},
      body: new Uint8Array(0),
    });
    expect(leave.status).toBe(501);
  });
});
