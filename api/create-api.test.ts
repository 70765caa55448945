import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { systemClock } from "../clock/index.ts";
import { FabricError } from "../errors/index.ts";
import type { NetworkRecord, NetworkSpec } from "../ipam/index.ts";
import { catalogVerbs, kvVerbs, type RegistryWriter } from "../registry/index.ts";
import { agentBackend, listen, nodeRecord, startApi } from "../test/fixtures/api.ts";
import { ApiClient } from "./client.ts";
import { type ApiOptions, createApi } from "./create-api.ts";
import type { FabricBackend } from "./fabric-backend.ts";
import type { ApiRequest } from "./request.ts";

const self = {
  node: "n1",
  id: "id",
  address: "fd00::1",
  datacenter: "dc1",
  version: "1",
  server: false,
  meta: {},
};

function request(line: string, body = ""): ApiRequest {
  const [method = "GET", target = "/"] = line.split(" ");
  return { method, target, headers: {}, body: Buffer.from(body) };
}

function api(options: Partial<ApiOptions> = {}) {
  return createApi({ self, clock: systemClock, ...options });
}

describe("who answers", () => {
  test("an agent answers for itself and forwards the rest, query and all", async () => {
    const asked: string[] = [];
    const { state } = await startApi();
    const handle = api({
      agent: {
        services: () => state.services(),
        checks: () => [],
        onChange: () => () => undefined,
        registerService: async () => undefined,
        deregisterService: async () => undefined,
        registerCheck: async () => undefined,
        deregisterCheck: async () => undefined,
        setCheck: async () => undefined,
      },
      forward: async ({ method, target }) => {
        asked.push(`${method} ${target}`);
        return { status: 200, headers: {}, body: "from the server" };
      },
    });
    expect((await handle(request("GET /v1/agent/services"))).body).toBe("{}");
    expect((await handle(request("GET /v1/agent/self"))).status).toBe(200);
    for (const line of ["GET /v1/kv/a?index=5", "GET /v1/agent/members", "POST /v1/heddle/networks"])
      expect((await handle(request(line))).body).toBe("from the server");
    expect(asked).toEqual(["GET /v1/kv/a?index=5", "GET /v1/agent/members", "POST /v1/heddle/networks"]);
    expect((await handle(request("GET /v1/agent/nothing"))).status).toBe(404);
  });

  test("a session that names no node is of the agent's, wherever the server makes it", async () => {
    const bodies: unknown[] = [];
    const { state } = await startApi();
    const handle = api({
      agent: agentBackend(state, {} as RegistryWriter),
      forward: async ({ body }) => {
        bodies.push(JSON.parse(Buffer.from(body).toString()));
        return { status: 200, headers: {}, body: "{}" };
      },
    });
    const create = "PUT /v1/session/create";
    for (const body of ["", "{}", '{"ttl":"10s","node":""}', '{"node":"other"}'])
      await handle(request(create, body));
    expect(bodies).toEqual([{ Node: "n1" }, { Node: "n1" }, { ttl: "10s", Node: "n1" }, { node: "other" }]);
    expect((await handle(request(create, "["))).status).toBe(400);
  });

  test("without a server to ask it says so in the words that clients retry on", async () => {
    const lost = async () => {
      throw new FabricError("CONTROL_UNAVAILABLE", "no server can be reached");
    };
    for (const handle of [api(), api({ forward: lost })]) {
      const { status, body } = await handle(request("GET /v1/kv/a"));
      expect(status).toBe(500);
      expect(body).toMatch(/^No cluster leader/);
    }
  });

  test("a process without agent refuses registrations", async () => {
    const { status, body } = await api()(request("PUT /v1/agent/service/register", "{}"));
    expect(status).toBe(501);
    expect(body).toMatch(/runs no agent/);
  });

  test("a failure that nobody foresaw is 500, told to the log and not to the client", async () => {
    const errors: unknown[] = [];
    const forward = () => Promise.reject(new TypeError("secret"));
    const { status, body } = await api({ forward, onError: (error) => errors.push(error) })(
      request("GET /v1/kv/a"),
    );
    expect(status).toBe(500);
    expect(body).not.toContain("secret");
    expect(errors).toHaveLength(1);
  });
});

describe("/v1/heddle", () => {
  const network: NetworkRecord = {
    name: "blue",
    pools: [],
    backend: "auto",
    masquerade: true,
    policy: "isolated",
    createdAtMs: 0,
  };
  const asked: unknown[] = [];
  const fabric: FabricBackend = {
    networks: async () => [network],
    createNetwork: async (spec: NetworkSpec) => {
      asked.push(spec);
      return network;
    },
    deleteNetwork: async (name, options) => {
      asked.push([name, options]);
      throw new FabricError("IPAM_NETWORK_IN_USE", "in use", { details: { name } });
    },
    poolUse: async () => [],
    nodes: async () => [],
    forgetNode: async (name, options) => void asked.push([name, options]),
  };

  async function start() {
    const { registry, writer } = await startApi();
    const handle = api({
      server: { registry, writer, fabric },
      local: {
        status: async () => ({
          mode: "up",
          version: "1",
          node: "n1",
          datacenter: "dc1",
          startedAtMs: 0,
          components: [],
        }),
        leases: async () => [],
        purgePlan: async () => [],
      },
    });
    const http = await listen(handle);
    return { client: new ApiClient({ kind: "tcp", host: "127.0.0.1", port: http.port }), handle, http };
  }

  test("the client and the routes agree; failures keep their code and details", async () => {
    const { client, http } = await start();
    const spec = { name: "blue", pools: [{ cidr: "10.1.0.0/16" }] };
    expect(await client.createNetwork(spec)).toEqual(network);
    expect(asked.at(-1)).toEqual(spec);
    expect(await client.networks()).toEqual([network]);
    expect(await client.poolUse("blue")).toEqual([]);
    expect(await client.nodes()).toEqual([]);
    expect(await client.leases()).toEqual([]);
    expect(await client.status()).toMatchObject({ mode: "up" });
    await client.forgetNode("n/1", { force: true });
    expect(asked.at(-1)).toEqual(["n/1", { force: true }]);
    await expect(client.deleteNetwork("blue")).rejects.toMatchObject({
      code: "IPAM_NETWORK_IN_USE",
      details: { name: "blue" },
    });
    expect(await client.kvPut("a/b?c", "1", { cas: 0 })).toBe(true);
    expect(await client.kvPut("a/b?c", "1", { cas: 0 })).toBe(false);
    expect((await client.kvGet("a/b?c"))?.toString()).toBe("1");
    expect(await client.kvKeys("a/")).toEqual(["a/b?c"]);
    await client.kvDelete("a/", { recurse: true });
    expect(await client.kvGet("a/b?c")).toBeUndefined();
    expect(await client.kvKeys("a/")).toEqual([]);
    await http.close();
  });

  test.each(["{", "{}", '{"name":"a","pools":[]}', '{"name":"a","pools":[{"cidr":"x","more":1}]}'])(
    "a network described as %s is refused as JSON",
    async (body) => {
      const { handle, http } = await start();
      const answer = await handle(request("POST /v1/heddle/networks", body));
      expect(answer.status).toBe(400);
      expect(JSON.parse(String(answer.body))).toMatchObject({ code: "API_BAD_REQUEST" });
      await http.close();
    },
  );
});

test("no request, however mangled, crashes, hangs or fails", async () => {
  const { registry, writer, handle, errors } = await startApi();
  await writer.upsertNode(nodeRecord("n2", { rack: "1" }));
  const routes = [
    "/v1/kv/",
    "/v1/kv",
    "/v1/catalog/services",
    "/v1/catalog/service/",
    "/v1/catalog/nodes",
    "/v1/catalog/node/",
    "/v1/health/service/",
    "/v1/health/node/",
    "/v1/health/state/",
    "/v1/health/checks/",
    "/v1/agent/services",
    "/v1/agent/service/register",
    "/v1/agent/service/deregister/",
    "/v1/agent/check/register",
    "/v1/agent/check/update/",
    "/v1/agent/check/pass/",
    "/v1/agent/members",
    "/v1/status/leader",
    "/v1/session/create",
    "/v1/session/renew/",
    "/v1/session/info/",
    "/v1/txn",
    "/v1/query",
    "/v1/query/",
    "/v1/catalog/register",
    "/v1/catalog/deregister",
    "/v1/event/fire/",
    "/v1/event/list",
    "/v1/agent/maintenance",
    "/v1/agent/service/maintenance/",
    "/v1/agent/health/service/name/",
    "/v1/agent/force-leave/",
    "/v1/agent/metrics",
    "/v1/heddle/networks",
    "/",
    "",
  ];
  const parameter = fc.tuple(
    fc.constantFrom(
      "index",
      "wait",
      "recurse",
      "keys",
      "separator",
      "raw",
      "cas",
      "flags",
      "passing",
      "tag",
      "stale",
      "consistent",
      "node-meta",
      "pretty",
      "replace-existing-checks",
      "acquire",
      "release",
      "enable",
      "filter",
      "hash",
    ),
    fc.oneof(
      fc.constantFrom(
        "Node is empty",
        "Meta.a == 1",
        "",
        "0",
        "1",
        "true",
        "1ms",
        "-1",
        "x:y",
        "18446744073709551616",
      ),
      fc.string({ unit: "binary", maxLength: 5 }),
    ),
  );
  const json = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        Name: fc.jsonValue(),
        ID: fc.jsonValue(),
        Tags: fc.jsonValue(),
        Port: fc.jsonValue(),
        Meta: fc.jsonValue(),
        Check: fc.record({
          TTL: fc.jsonValue(),
          HTTP: fc.jsonValue(),
          Interval: fc.jsonValue(),
          Header: fc.jsonValue(),
        }),
        Weights: fc.jsonValue(),
        TaggedAddresses: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
    fc.record(
      {
        Node: fc.oneof(fc.constantFrom("n1", "n2"), fc.jsonValue()),
        Address: fc.oneof(fc.constant("192.0.2.1"), fc.jsonValue()),
        Service: fc.oneof(fc.record({ Service: fc.constantFrom("web", "") }), fc.jsonValue()),
        Check: fc.oneof(
          fc.record({ CheckID: fc.string(), Status: fc.constantFrom("passing", "") }),
          fc.jsonValue(),
        ),
        TTL: fc.constantFrom("10s", "1s", "x"),
        Behavior: fc.constantFrom("delete", "x"),
      },
      { requiredKeys: [] },
    ),
    fc.array(
      fc.oneof(
        fc.record({
          KV: fc.record({
            Verb: fc.constantFrom(...kvVerbs, "x"),
            Key: fc.oneof(fc.constantFrom("a", "a/b"), fc.jsonValue()),
            Value: fc.oneof(fc.base64String(), fc.jsonValue()),
            Index: fc.oneof(fc.nat(9), fc.jsonValue()),
          }),
        }),
        fc.record({
          Node: fc.record({
            Verb: fc.constantFrom(...catalogVerbs),
            Node: fc.record({ Node: fc.constantFrom("n1", "n2", "n3"), Address: fc.constant("192.0.2.3") }),
          }),
        }),
      ),
      { maxLength: 6 },
    ),
    fc.record({
      Name: fc.string({ unit: "binary", minLength: 1 }),
      TTL: fc.constant("1s"),
      Status: fc.jsonValue(),
    }),
  );
  const requests = fc.record({
    method: fc.constantFrom("GET", "PUT", "DELETE", "POST", "HEAD", "OPTIONS", "BREW"),
    route: fc.constantFrom(...routes),
    rest: fc.oneof(
      fc.webPath(),
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.constantFrom("%", "%00", "%zz", "%ff", "..//", "a%2Fb", "%ed%a0%80"),
    ),
    query: fc.array(parameter, { maxLength: 4 }),
    body: fc.oneof(
      json.map((value) => Buffer.from(JSON.stringify(value) ?? "")),
      fc.uint8Array({ maxLength: 64 }),
    ),
  });
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, route, rest, query, body }) => {
      const text = query
        .map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`)
        .join("&");
      const target = `${route}${rest}?wait=1ms&${text}`;
      const answer = await handle({ method, target, headers: {}, body, signal: AbortSignal.timeout(5000) });
      // 500 is Consul's refusal of sessions, and 429 its warning; a failure of ours would be among the errors.
      expect(
        [200, 400, 401, 404, 405, 409, 413, 429, 500, 501],
        `${method} ${target}: ${String(answer.body)}`,
      ).toContain(answer.status);
    }),
    { numRuns: 3000 },
  );
  expect(errors).toEqual([]);
  expect(registry.status().waiters).toBe(0);
});
