/** The rules of Consul's wire that its clients depend on, one by one, on a real listener. */
import { describe, expect, test } from "vitest";
import { startApi, until } from "../test/fixtures/api.ts";

type Api = Awaited<ReturnType<typeof startApi>>;

async function call(api: Api, line: string, body?: unknown) {
  const [method = "GET", path = "/"] = line.split(" ");
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const {
    status,
    headers,
    body: bytes,
  } = await api.client.exchange(method, path, text as string | undefined);
  return { status, headers, text: bytes.toString() };
}

async function parsed(api: Api, line: string) {
  return JSON.parse((await call(api, line)).text);
}

const readHeaders = [
  "x-consul-index",
  "x-consul-knownleader",
  "x-consul-lastcontact",
  "x-consul-effective-consistency",
];

describe("headers of reads", () => {
  test.each([
    "/v1/kv/absent",
    "/v1/kv/?keys",
    "/v1/catalog/services",
    "/v1/catalog/nodes",
    "/v1/catalog/service/absent",
    "/v1/catalog/node/absent",
    "/v1/health/service/absent",
    "/v1/health/checks/absent",
    "/v1/health/node/absent",
    "/v1/health/state/any",
  ])("GET %s carries them, and the index is never 0", async (path) => {
    const { headers } = await call(await startApi(), `GET ${path}`);
    for (const name of readHeaders) expect(headers[name], name).toBeDefined();
    expect(Number(headers["x-consul-index"])).toBeGreaterThanOrEqual(1);
    expect(headers["x-consul-lastcontact"]).toMatch(/^\d+$/);
    expect(headers["x-consul-knownleader"]).toBe("true");
  });

  test.each([
    ["", "leader"],
    ["?stale", "stale"],
    ["?consistent", "consistent"],
    ["?stale&max_stale=10s", "stale"],
  ])("%s reads with consistency %s", async (query, consistency) => {
    const { headers } = await call(await startApi(), `GET /v1/catalog/nodes${query}`);
    expect(headers["x-consul-effective-consistency"]).toBe(consistency);
  });
});

describe("kv", () => {
  test("the index of a key is its ModifyIndex, not the global one", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/kv/a", "1");
    const { headers, text } = await call(api, "GET /v1/kv/a");
    await call(api, "PUT /v1/kv/b", "1");
    const again = await call(api, "GET /v1/kv/a?stale");
    expect(headers["x-consul-index"]).toBe(String(JSON.parse(text)[0].ModifyIndex));
    expect(again.headers["x-consul-index"]).toBe(headers["x-consul-index"]);
  });

  test("a missing key is 404 with an empty body", async () => {
    expect(await call(await startApi(), "GET /v1/kv/absent")).toMatchObject({ status: 404, text: "" });
  });

  test("deleting the newest key of a prefix does not move its index back", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/kv/a/1", "1");
    await call(api, "PUT /v1/kv/a/2", "1");
    const before = Number((await call(api, "GET /v1/kv/a?recurse")).headers["x-consul-index"]);
    await call(api, "DELETE /v1/kv/a/2");
    const after = Number((await call(api, "GET /v1/kv/a?recurse")).headers["x-consul-index"]);
    expect(after).toBeGreaterThan(before);
  });

  test("keys of the empty root are [], of another empty prefix 404", async () => {
    const api = await startApi();
    expect(await call(api, "GET /v1/kv/?keys")).toMatchObject({ status: 200, text: "[]" });
    expect(await call(api, "GET /v1/kv?keys")).toMatchObject({ status: 200, text: "[]" });
    expect(await call(api, "GET /v1/kv/x?keys")).toMatchObject({ status: 404, text: "" });
    expect(await call(api, "GET /v1/kv/?recurse")).toMatchObject({ status: 404, text: "" });
  });

  test("separator cuts keys, and its old spelling too", async () => {
    const api = await startApi();
    for (const key of ["a/1", "a/2", "b", "a"]) await call(api, `PUT /v1/kv/${key}`, "1");
    expect(await parsed(api, "GET /v1/kv/?keys&separator=/")).toEqual(["a", "a/", "b"]);
    expect(await parsed(api, "GET /v1/kv/?keys&seperator=/")).toEqual(["a", "a/", "b"]);
    expect(await parsed(api, "GET /v1/kv/a/?keys&separator=/")).toEqual(["a/1", "a/2"]);
  });

  test("writing the same value again leaves ModifyIndex alone, another flag does not", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/kv/a", "1");
    const [first] = await parsed(api, "GET /v1/kv/a");
    expect((await call(api, "PUT /v1/kv/a", "1")).text).toBe("true");
    expect((await parsed(api, "GET /v1/kv/a"))[0]).toEqual(first);
    await call(api, "PUT /v1/kv/a?flags=18446744073709551615", "1");
    const { text } = await call(api, "GET /v1/kv/a");
    expect(text).toContain('"Flags":18446744073709551615');
    expect(JSON.parse(text)[0].ModifyIndex).toBeGreaterThan(first.ModifyIndex);
    expect(JSON.parse(text)[0].CreateIndex).toBe(first.CreateIndex);
  });

  test("cas=0 creates only; a failed compare is 200 false; deleting an absent key by cas is true", async () => {
    const api = await startApi();
    expect(await call(api, "PUT /v1/kv/a?cas=0", "1")).toMatchObject({ status: 200, text: "true" });
    expect(await call(api, "PUT /v1/kv/a?cas=0", "2")).toMatchObject({ status: 200, text: "false" });
    expect((await call(api, "DELETE /v1/kv/a?cas=1")).text).toBe("false");
    expect((await call(api, "DELETE /v1/kv/a?cas=0")).text).toBe("false");
    const [{ ModifyIndex }] = await parsed(api, "GET /v1/kv/a");
    expect((await call(api, `DELETE /v1/kv/a?cas=${ModifyIndex}`)).text).toBe("true");
    expect((await call(api, `DELETE /v1/kv/a?cas=${ModifyIndex}`)).text).toBe("true");
  });

  test("an empty value is null, raw is the bytes and must not run in a browser", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/kv/empty", "");
    expect((await call(api, "GET /v1/kv/empty")).text).toContain('"Value":null');
    await call(api, "PUT /v1/kv/page", "<script>");
    const { headers, text } = await call(api, "GET /v1/kv/page?raw");
    expect(text).toBe("<script>");
    expect(headers).toMatchObject({
      "content-security-policy": "sandbox",
      "x-content-type-options": "nosniff",
    });
  });

  test("a value of 512 KiB is taken, one byte more is 413", async () => {
    const api = await startApi();
    expect((await call(api, "PUT /v1/kv/a", "x".repeat(512 * 1024))).status).toBe(200);
    expect(await call(api, "PUT /v1/kv/a", "x".repeat(512 * 1024 + 1))).toMatchObject({
      status: 413,
      text: expect.stringContaining("Request body(524289 bytes) too large, max size: 524288 bytes"),
    });
    expect((await call(api, "PUT /v1/kv/a", "x".repeat(4 * 1024 * 1024))).status).toBe(413);
  });

  test("?pretty indents by four", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/kv/a", "1");
    const { text } = await call(api, "GET /v1/kv/a?pretty");
    expect(text).toBe(`${JSON.stringify(JSON.parse(text), undefined, 4)}\n`);
  });
});

describe("refusals", () => {
  test.each([
    ["GET /v1/kv/a?index=x", 400, "Invalid index"],
    ["GET /v1/kv/a?index=-1", 400, "Invalid index"],
    ["GET /v1/kv/a?index=18446744073709551616", 400, "Invalid index"],
    ["GET /v1/kv/a?index=1&wait=soon", 400, "Invalid wait time"],
    [
      "GET /v1/catalog/nodes?stale&consistent",
      400,
      "Cannot specify ?stale with ?consistent, conflicting semantics.",
    ],
    ["GET /v1/health/service/", 400, "Missing service name"],
    ["GET /v1/catalog/service/", 400, "Missing service name"],
    ["GET /v1/health/service/web?passing=maybe", 400, "Invalid value for ?passing"],
    ["GET /v1/kv/", 400, "Missing key name"],
    ["PUT /v1/kv/", 400, "Missing key name"],
    ["DELETE /v1/kv/", 400, "Missing key name"],
    ["PUT /v1/kv/a?cas=0&acquire=s", 400, "Conflicting flags: cas=0&acquire=s"],
    ["DELETE /v1/kv/a?recurse&cas=1", 400, "Conflicting flags: recurse&cas=1"],
    ["GET /v1/health/service/web?filter=x", 400, /^Failed to create boolean expression evaluator/],
    ["GET /v1/catalog/services?filter=x", 400, /^Failed to create boolean expression evaluator/],
    ["GET /v1/session/list?filter=x", 400, /"filter"/],
    ["GET /v1/health/node/n1?filter=Nothing==x", 400, /Selector "Nothing" is not valid/],
    ["GET /v1/catalog/nodes?dc=mars", 500, "No path to datacenter"],
    ["GET /v1/catalog/nodes?ns=team", 400, /"ns"/],
    ["GET /v1/nothing", 404, "Invalid URL path: not a recognized HTTP API endpoint"],
    ["GET /v1/kv/%zz", 400, /percent-encoding/],
    ["GET /v1/acl/tokens", 401, "ACL support disabled"],
    [
      "PUT /v1/agent/service/deregister/absent",
      404,
      'Unknown service ID "absent". Ensure that the service ID is passed, not the service name.',
    ],
    ["PUT /v1/agent/check/pass/absent", 404, /^Unknown check ID "absent"/],
    ["GET /v1/agent/service/absent", 404, "unknown service ID: absent"],
  ])("%s is %i", async (line, status, text) => {
    const answer = await call(await startApi(), line);
    expect(answer.status).toBe(status);
    if (typeof text === "string") expect(answer.text).toBe(text);
    else expect(answer.text).toMatch(text);
    expect(answer.headers["content-type"]).toMatch(/^text\/plain/);
  });

  test("a method that a route does not take is 405 and says which it takes", async () => {
    const api = await startApi();
    const { status, headers } = await call(api, "POST /v1/kv/a", "x");
    expect(status).toBe(405);
    expect(headers["allow"]).toBe("OPTIONS,GET,PUT,DELETE");
    expect((await call(api, "OPTIONS /v1/kv/a")).headers["allow"]).toBe("OPTIONS,GET,PUT,DELETE");
  });

  test.each([
    ["{", /^Request decode failed: /],
    ["[]", /^Request decode failed: /],
    ["{}", /^Missing service name$/],
    [{ Name: "web", Port: "80" }, /^Request decode failed: port must be a number/],
    [{ Name: "web", Tags: [1] }, /^Request decode failed: tags/],
    [{ Name: "web", Check: { HTTP: "http://x" } }, /^Invalid check: Interval must be > 0/],
    [{ Name: "web", Check: { TTL: "never" } }, /^Request decode failed: time: invalid duration/],
    [
      { Name: "web", Check: { TTL: "1s", Interval: "1s" } },
      /^Invalid check: Interval and TTL cannot both be specified/,
    ],
    [
      { Name: "web", Check: { OSService: "x", Interval: "1s" } },
      /^Heddle does not support osservice in a check/,
    ],
    [{ Name: "web", Check: { GRPC: "x", Interval: "1s" } }, /^Invalid check: GRPC must be host:port/],
    [
      { Name: "web", Check: { UDP: "x:1", TCP: "x:1", Interval: "1s" } },
      /^Invalid check: only one of TCP, UDP/,
    ],
    [{ Name: "web", Check: { H2PING: "x:1" } }, /^Invalid check: Interval must be > 0 for H2PING checks/],
    [
      { Name: "web", Check: { DockerContainerID: "x", Interval: "1s" } },
      /^Invalid check: DockerContainerID needs Args/,
    ],
    [
      { Name: "web", Check: { AliasService: "x", TTL: "1s" } },
      /^Invalid check: Interval and TTL do not go with an alias/,
    ],
    [{ Name: "web", Check: { Status: "fine", TTL: "1s" } }, /^Invalid check status: 'fine'/],
    [{ Name: "web", Port: 70_000 }, /port 70000/],
    [{ Name: "web", Meta: { "a b": "" } }, /meta key/],
  ])("registering %j is refused", async (body, text) => {
    const answer = await call(await startApi(), "PUT /v1/agent/service/register", body);
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(text);
  });
});

describe("registrations", () => {
  test("keys in any case and with underscores, durations with fractions, nulls as absent", async () => {
    const api = await startApi();
    const body = {
      name: "db",
      id: "scope/db",
      TAGS: null,
      enable_tag_override: true,
      tagged_addresses: { wan: { Address: "192.0.2.9", port: 1 } },
      check: {
        http: "http://127.0.0.1:1/",
        interval: "10.5s",
        deregister_critical_service_after: "1.5h",
        header: { X: "y" },
      },
    };
    expect(await call(api, "PUT /v1/agent/service/register", body)).toMatchObject({ status: 200, text: "" });
    expect(await parsed(api, "GET /v1/agent/service/scope/db")).toMatchObject({
      ID: "scope/db",
      Tags: [],
      EnableTagOverride: true,
      TaggedAddresses: { wan: { Address: "192.0.2.9", Port: 1 } },
    });
    expect(api.state.check("service:scope/db")?.definition).toMatchObject({
      probe: { kind: "http", intervalMs: 10_500, headers: { X: ["y"] } },
      deregisterCriticalServiceAfterMs: 5_400_000,
    });
    expect((await call(api, "PUT /v1/agent/service/deregister/scope%2Fdb")).status).toBe(200);
    expect(await parsed(api, "GET /v1/agent/services")).toEqual({});
  });

  test("several ports are shown wherever the service is, its default as the port, and can be sent back", async () => {
    const api = await startApi();
    const Ports = [
      { Name: "http", Port: 8080, Default: false },
      { Name: "grpc", Port: 9090, Default: true },
    ];
    const txn = [{ Service: { Verb: "set", Node: "n1", Service: { ID: "t1", Service: "web", Ports } } }];
    const node = { Node: "n2", Address: "10.0.0.9", Service: { ID: "c1", Service: "web", Ports } };
    for (const [line, body] of [
      ["PUT /v1/agent/service/register", { ID: "a1", Name: "web", Ports }],
      ["PUT /v1/catalog/register", node],
      ["PUT /v1/txn", txn],
    ] as const)
      expect(await call(api, line, body)).toMatchObject({ status: 200 });
    const shown = (await parsed(api, "GET /v1/agent/service/a1")) as Record<string, unknown>;
    expect(shown).toMatchObject({ Port: 9090, Ports });
    expect(await parsed(api, "GET /v1/health/service/web")).toMatchObject(
      ["a1", "t1", "c1"].map((ID) => ({ Service: { ID, Port: 9090, Ports } })),
    );
    expect(await parsed(api, "GET /v1/catalog/service/web")).toMatchObject(
      ["a1", "t1", "c1"].map((ServiceID) => ({ ServiceID, ServicePort: 9090, ServicePorts: Ports })),
    );
    expect(await parsed(api, "GET /v1/catalog/node/n2")).toMatchObject({ Services: { c1: { Ports } } });
    const { Service: Name, ...rest } = shown;
    expect(await call(api, "PUT /v1/agent/service/register", { ...rest, Name })).toMatchObject({
      status: 200,
    });
    expect(await parsed(api, "GET /v1/agent/service/a1")).toEqual(shown);
    expect(await call(api, "PUT /v1/agent/service/register", { Name: "web", Port: 1, Ports })).toMatchObject({
      status: 400,
      text: 'register service "web": it has both Port 1 and Ports, whose default is 9090; leave Port out',
    });
  });

  test("lists and maps are never null", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/agent/service/register", { Name: "bare" });
    for (const path of [
      "agent/services",
      "catalog/service/bare",
      "health/service/bare",
      "catalog/node/n1",
      "health/node/n1",
    ])
      expect((await call(api, `GET /v1/${path}`)).text, path).not.toContain("null");
    expect(await parsed(api, "GET /v1/catalog/services")).toEqual({ bare: [] });
    expect((await call(await startApi(), "GET /v1/catalog/services")).text).toBe("{}");
  });

  test("a check of an unknown service is 404 in the words that clients look for", async () => {
    const body = { Name: "c", TTL: "1s", ServiceID: "absent" };
    expect(await call(await startApi(), "PUT /v1/agent/check/register", body)).toMatchObject({
      status: 404,
      text: 'ServiceID "absent" does not exist',
    });
  });

  test("old clients set and take away checks by GET", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/agent/check/register", { name: "c", ttl: "1s" });
    expect((await call(api, "GET /v1/agent/check/pass/c?note=fine")).status).toBe(200);
    expect(await parsed(api, "GET /v1/agent/checks")).toMatchObject({
      c: { Status: "passing", Output: "fine" },
    });
    const update = { status: "warning", output: "hm" };
    expect((await call(api, "PUT /v1/agent/check/update/c", update)).status).toBe(200);
    expect(await parsed(api, "GET /v1/agent/checks")).toMatchObject({
      c: { Status: "warning", Output: "hm" },
    });
    expect((await call(api, "PUT /v1/agent/check/update/c", { status: "green" })).text).toBe(
      "Invalid check status: 'green'",
    );
    expect((await call(api, "GET /v1/agent/check/deregister/c")).status).toBe(200);
  });

  test("several checks are numbered; those left out stay unless they are to be replaced", async () => {
    const api = await startApi();
    const register = (query: string, count: number) =>
      call(api, `PUT /v1/agent/service/register${query}`, {
        Name: "w",
        Checks: Array(count).fill({ TTL: "1m" }),
      });
    const ids = async () => Object.keys(await parsed(api, "GET /v1/agent/checks")).sort();
    await register("", 2);
    expect(await ids()).toEqual(["service:w:1", "service:w:2"]);
    await register("", 1);
    expect(await ids()).toEqual(["service:w", "service:w:1", "service:w:2"]);
    await register("?replace-existing-checks=true", 1);
    expect(await ids()).toEqual(["service:w"]);
  });
});

describe("health filters", () => {
  test("repeated tags are all needed, in any case; node-meta and passing narrow further", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/agent/service/register", {
      Name: "web",
      ID: "1",
      Tags: ["A", "b"],
      Check: { TTL: "1m", Status: "passing" },
    });
    await call(api, "PUT /v1/agent/service/register", {
      Name: "web",
      ID: "2",
      Tags: ["a"],
      Check: { TTL: "1m", Status: "warning" },
    });
    const ids = async (query: string) =>
      (await parsed(api, `GET /v1/health/service/web${query}`)).map(
        (one: { Service: { ID: string } }) => one.Service.ID,
      );
    expect(await ids("")).toEqual(["1", "2"]);
    expect(await ids("?tag=a")).toEqual(["1", "2"]);
    expect(await ids("?tag=a&tag=B")).toEqual(["1"]);
    expect(await ids("?passing")).toEqual(["1"]);
    expect(await ids("?passing=0")).toEqual(["1", "2"]);
    expect(await ids("?node-meta=rack:1")).toEqual([]);
    expect(await parsed(api, "GET /v1/catalog/services?node-meta=rack:1")).toEqual({});
    expect(await parsed(api, "GET /v1/health/state/warning")).toMatchObject([{ CheckID: "service:2" }]);
    expect(await parsed(api, "GET /v1/health/state/unknown")).toEqual([]);
  });
});

describe("blocking queries", () => {
  test("wake for their own key and are not woken by others", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/kv/a", "1");
    const index = String((await call(api, "GET /v1/kv/a")).headers["x-consul-index"]);
    let answered = false;
    const poll = call(api, `GET /v1/kv/a?index=${index}&wait=1m`).then((answer) => {
      answered = true;
      return answer;
    });
    await until(() => api.registry.status().waiters === 1);
    for (let at = 0; at < 20; at++) await call(api, `PUT /v1/kv/b${at}`, String(at));
    await call(api, "PUT /v1/agent/service/register", { Name: "web" });
    expect(answered).toBe(false);
    await call(api, "PUT /v1/kv/a", "2");
    expect(JSON.parse((await poll).text)[0].Value).toBe(Buffer.from("2").toString("base64"));
  });

  test("answer the same after their time, and at once for an older index", async () => {
    const api = await startApi();
    await call(api, "PUT /v1/kv/a", "1");
    const now = await call(api, "GET /v1/kv/a");
    const later = await call(api, `GET /v1/kv/a?index=${String(now.headers["x-consul-index"])}&wait=20ms`);
    expect(later.text).toBe(now.text);
    expect(later.headers["x-consul-index"]).toBe(now.headers["x-consul-index"]);
    expect((await call(api, "GET /v1/kv/a?index=1&wait=10m")).text).toBe(now.text);
  });

  test("a client that leaves takes its waiter along", async () => {
    const api = await startApi();
    const leave = new AbortController();
    const url = `http://127.0.0.1:${api.http.port}/v1/kv/a?index=1000&wait=5m`;
    const poll = fetch(url, { signal: leave.signal }).catch(() => "left");
    await until(() => api.registry.status().waiters === 1);
    leave.abort();
    expect(await poll).toBe("left");
    await until(() => api.registry.status().waiters === 0);
    expect(api.errors).toEqual([]);
  });

  test("a stopping listener sends long polls home", async () => {
    const api = await startApi();
    const poll = call(api, "GET /v1/kv/a?index=1000&wait=5m");
    await until(() => api.registry.status().waiters === 1);
    await api.http.close();
    expect((await poll).status).toBe(503);
  });
});

test("a read that waits is told when nobody follows the store any more", async () => {
  const api = await startApi();
  const waiting = call(api, "GET /v1/kv/a?index=1000&wait=5m");
  await until(() => api.registry.status().waiters === 1);
  await api.registry.close();
  expect(await waiting).toMatchObject({ status: 503, text: expect.stringContaining("closed") });
});
