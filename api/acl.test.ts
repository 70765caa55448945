/** Tokens over HTTP: what Consul's client does with them, and that nothing of the registry is told without. */
import Consul from "consul";
import { describe, expect, test } from "vitest";
import { systemClock } from "../clock/index.ts";
import { startApi } from "../test/fixtures/api.ts";
import { routesOf } from "./create-api.ts";

async function start(acl: "allow" | "deny" = "deny") {
  const api = await startApi({ acl });
  const port = api.http.port;
  const call = async (method: string, path: string, token = "", body?: unknown) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(token !== "" && { headers: { "X-Consul-Token": token } }),
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = () => JSON.parse(text) as Record<string, string>;
    return { status: response.status, text, json, headers: response.headers };
  };
  const root = (await call("PUT", "/v1/acl/bootstrap")).json()["SecretID"] ?? "";
  const tokenFor = async (rules: string) => {
    const policy = (
      await call("PUT", "/v1/acl/policy", root, { Name: `p${Math.random()}`.replace(".", ""), Rules: rules })
    ).json();
    const token = (await call("PUT", "/v1/acl/token", root, { Policies: [{ ID: policy["ID"] }] })).json();
    return {
      secret: token["SecretID"] ?? "",
      accessor: token["AccessorID"] ?? "",
      policy: policy["ID"] ?? "",
    };
  };
  return { ...api, call, root, tokenFor, port };
}

describe("tokens", () => {
  test("begin with one that may do everything, made once", async () => {
    const { call, root } = await start();
    const again = await call("PUT", "/v1/acl/bootstrap");
    expect(again.status).toBe(403);
    expect(again.text).toContain("Permission denied: ACL bootstrap no longer allowed");
    expect((await call("GET", "/v1/acl/token/self", root)).json()).toMatchObject({
      SecretID: root,
      Policies: [{ Name: "global-management" }],
    });
    expect((await call("PUT", "/v1/kv/a", root, "x")).text).toBe("true");
  });

  test("are made, copied, changed, listed without secrets, and end at once", async () => {
    const { call, root, tokenFor } = await start();
    const reader = await tokenFor('acl = "read" key_prefix "a/" { policy = "write" }');
    expect((await call("PUT", "/v1/kv/a/1", reader.secret, "x")).status).toBe(200);
    const listed = await call("GET", "/v1/acl/tokens", reader.secret);
    expect(listed.status).toBe(200);
    expect(listed.text).not.toContain(root);
    expect((await call("PUT", "/v1/acl/token", reader.secret, {})).status).toBe(403);
    const copy = (
      await call("PUT", `/v1/acl/token/${reader.accessor}/clone`, root, { Description: "copy" })
    ).json();
    expect(copy).toMatchObject({ Description: "copy", Policies: [{ ID: reader.policy }] });
    expect((await call("PUT", "/v1/kv/a/2", copy["SecretID"], "x")).status).toBe(200);
    const changed = await call("PUT", `/v1/acl/token/${copy["AccessorID"]}`, root, { Policies: [] });
    expect(changed.json()).toMatchObject({ SecretID: copy["SecretID"], Policies: [] });
    expect((await call("PUT", "/v1/kv/a/2", copy["SecretID"], "x")).status).toBe(403);
    expect((await call("DELETE", `/v1/acl/token/${reader.accessor}`, root)).text).toBe("true");
    const ended = await call("PUT", "/v1/kv/a/1", reader.secret, "x");
    expect([ended.status, ended.text]).toEqual([403, expect.stringContaining("ACL not found")]);
  });

  test("lose a policy that is changed or deleted", async () => {
    const { call, root, tokenFor } = await start();
    const { secret, policy } = await tokenFor('key_prefix "" { policy = "read" }');
    expect((await call("GET", "/v1/kv/none", secret)).status).toBe(404);
    const update = { Name: "renamed", Rules: 'key_prefix "none" { policy = "deny" }' };
    expect((await call("PUT", `/v1/acl/policy/${policy}`, root, update)).status).toBe(200);
    expect((await call("GET", "/v1/kv/none", secret)).status).toBe(403);
    expect((await call("GET", "/v1/acl/policy/name/renamed", root)).json()).toMatchObject({ ID: policy });
    expect((await call("PUT", "/v1/acl/policy", root, { Name: "Renamed" })).status).toBe(400);
    expect((await call("DELETE", `/v1/acl/policy/${policy}`, root)).status).toBe(200);
    expect((await call("GET", `/v1/acl/policy/${policy}`, root)).status).toBe(404);
    expect(
      (await call("PUT", "/v1/acl/policy/00000000-0000-0000-0000-000000000001", root, { Name: "x" })).status,
    ).toBe(400);
  });

  test("come by header, as bearer and in the query, which wins", async () => {
    const { port, root, call } = await start();
    const bearer = { headers: { Authorization: `Bearer ${root}` } };
    expect((await fetch(`http://127.0.0.1:${port}/v1/kv/a`, bearer)).status).toBe(404);
    expect((await call("GET", `/v1/kv/a?token=${root}`, "nobody")).status).toBe(404);
    expect((await call("GET", "/v1/kv/a?token=nobody", root)).status).toBe(403);
  });

  test("of one service leave the agent's others out of lists, and are refused where they ask for one", async () => {
    const { call, root, tokenFor } = await start();
    const { secret } = await tokenFor('service "web" { policy = "write" }');
    expect((await call("PUT", "/v1/agent/service/register", secret, { Name: "web" })).status).toBe(200);
    expect((await call("PUT", "/v1/agent/service/register", root, { Name: "db" })).status).toBe(200);
    const asked = [
      "service/db",
      "health/service/id/db",
      "health/service/name/db",
      "health/service/name/none",
    ];
    for (const path of asked) expect((await call("GET", `/v1/agent/${path}`, secret)).status, path).toBe(403);
    for (const path of ["service/none", "health/service/id/none"])
      expect((await call("GET", `/v1/agent/${path}`, secret)).status, path).toBe(404);
    expect((await call("GET", "/v1/agent/service/web", secret)).status).toBe(200);
    expect(Object.keys((await call("GET", "/v1/agent/services", secret)).json())).toEqual(["web"]);
  });

  test("of a service and of a node are enough to register", async () => {
    const { call, root } = await start();
    const made = await call("PUT", "/v1/acl/token", root, { ServiceIdentities: [{ ServiceName: "web" }] });
    const secret = made.json()["SecretID"];
    expect((await call("PUT", "/v1/agent/service/register", secret, { Name: "web" })).status).toBe(200);
    expect((await call("PUT", "/v1/agent/service/register", secret, { Name: "db" })).status).toBe(403);
    expect((await call("GET", "/v1/health/service/web", secret)).json()).toHaveLength(1);
  });

  test.each([
    ["Roles", { Roles: [{ Name: "x" }] }],
    ["ExpirationTTL", { ExpirationTTL: "1h" }],
    ["an unknown policy", { Policies: [{ Name: "none" }] }],
  ])("are refused with %s", async (_what, body) => {
    const { call, root } = await start();
    expect((await call("PUT", "/v1/acl/token", root, body)).status).toBe(400);
  });

  test("Consul's client writes with its token, and is told of a list that it sees in part", async () => {
    const { port, tokenFor, call, root } = await start();
    const { secret } = await tokenFor(
      'key_prefix "app/" { policy = "write" } key "app/secret" { policy = "deny" }',
    );
    const consul = new Consul({ host: "127.0.0.1", port, defaults: { token: secret } } as never);
    expect(await consul.kv.set("app/a", "1")).toBe(true);
    await expect(consul.kv.set("other", "1")).rejects.toThrow();
    await call("PUT", "/v1/kv/app/secret", root, "x");
    expect(await consul.kv.keys("app/")).toEqual(["app/a"]);
    const list = await call("GET", "/v1/kv/app/?recurse", secret);
    expect(list.headers.get("X-Consul-Results-Filtered-By-ACLs")).toBe("true");
    expect(list.headers.get("X-Consul-Default-ACL-Policy")).toBe("deny");
    expect((await call("DELETE", "/v1/kv/app/?recurse", secret)).status).toBe(403);
    const txn = [
      { KV: { Verb: "set", Key: "app/b", Value: "" } },
      { KV: { Verb: "get", Key: "app/secret" } },
    ];
    const refused = await call("PUT", "/v1/txn", secret, txn);
    expect(refused.status).toBe(409);
    expect(refused.json()["Errors"]).toMatchObject([
      { OpIndex: 1, What: expect.stringContaining("Permission denied") },
    ]);
    expect((await call("GET", "/v1/kv/app/b", secret)).status).toBe(404);
  });
});

describe("without a token", () => {
  test("nothing changes where tokens are off", async () => {
    const { client } = await startApi();
    const answer = await client.exchange("GET", "/v1/acl/tokens");
    expect([answer.status, answer.body.toString()]).toEqual([401, "ACL support disabled"]);
  });

  test("a default of allow allows what no rule denies", async () => {
    const { call, root } = await start("allow");
    expect((await call("PUT", "/v1/kv/a", "", "x")).status).toBe(200);
    expect((await call("GET", "/v1/acl/tokens")).status).toBe(403);
    expect((await call("GET", "/v1/snapshot")).status).toBe(403);
    const policy = await call("PUT", "/v1/acl/policy", root, {
      Name: "no",
      Rules: 'key "a" { policy = "deny" }',
    });
    const anonymous = "/v1/acl/token/00000000-0000-0000-0000-000000000002";
    expect((await call("PUT", anonymous, root, { Policies: [{ ID: policy.json()["ID"] }] })).status).toBe(
      200,
    );
    expect((await call("GET", "/v1/kv/a")).status).toBe(403);
  });

  /** Told to everybody: who answers, and what is asked for about the asker. */
  const open = new Set([
    "/v1/status/leader",
    "/v1/status/peers",
    "/v1/catalog/datacenters",
    "/v1/coordinate/datacenters",
    "/v1/acl/bootstrap",
    "/v1/acl/token/self",
    "/v1/heddle/acl/rights",
    "/v1/heddle/openapi.json",
  ]);
  const marker = "xyzzy";
  const nothing = /^(null|\[\]|\{\}|true|\{"Node":null,"Services":null\})?$/;

  /** A route that is added without a thought of tokens fails here. */
  test("no route tells or changes what there is", async () => {
    const { call, root, registry, writer, state } = await start();
    const put = async (path: string, body: unknown) =>
      expect((await call("PUT", path, root, body)).status, path).toBe(200);
    await put(`/v1/kv/${marker}`, marker);
    await put("/v1/agent/service/register", { Name: marker, ID: marker, Check: { TTL: "1h" } });
    await put("/v1/catalog/register", { Node: marker, Address: "10.9.9.9" });
    await put("/v1/session/create", { Name: marker });
    await put(`/v1/event/fire/${marker}`, "");
    await put("/v1/acl/policy", { Name: marker });
    await put("/v1/coordinate/update", {
      Node: marker,
      Coord: { Vec: [0, 0, 0, 0, 0, 0, 0, 0], Error: 1, Adjustment: 0, Height: 1 },
    });
    expect(
      (await call("POST", "/v1/query", root, { Name: marker, Service: { Service: marker } })).status,
    ).toBe(200);
    const self = {
      node: "n1",
      id: "",
      address: "127.0.0.1",
      datacenter: "dc1",
      version: "0",
      server: true,
      meta: {},
    };
    const routes = routesOf({ self, clock: systemClock, server: { registry, writer }, agent: {} as never });
    const before = registry.index;
    expect(routes.length).toBeGreaterThan(50);
    const bodies = [
      undefined,
      { Name: marker, Node: marker, Address: "10.9.9.9", Service: { Service: marker } },
    ];
    for (const { path, methods } of routes) {
      if (open.has(path) || path.startsWith("/v1/heddle/watch/")) continue;
      for (const method of Object.keys(methods)) {
        for (const body of method === "GET" ? [undefined] : bodies) {
          for (const query of ["", "?recurse", "?keys", "?enable=true"]) {
            const target = path.replace("*", marker) + query;
            const { status, text } = await call(method, target, "", body);
            if (status < 400) expect(text, `${method} ${target}`).toMatch(nothing);
          }
        }
      }
    }
    expect(state.services().map(({ id }) => id)).toEqual([marker]);
    expect(state.checks()).toHaveLength(1);
    expect(registry.index).toBe(before);
  });

  test("a stream tells of what may be read, and ends with its token", async () => {
    const { port, root, tokenFor, call } = await start();
    const { secret, accessor } = await tokenFor('key_prefix "a/" { policy = "read" }');
    const response = await fetch(`http://127.0.0.1:${port}/v1/heddle/watch/kv/?since=now`, {
      headers: { "X-Consul-Token": secret },
    });
    await call("PUT", "/v1/kv/b", root, "hidden");
    await call("PUT", "/v1/kv/a/1", root, "seen");
    let text = "";
    const reader = response.body?.getReader();
    while (!text.includes("event: add")) text += Buffer.from((await reader?.read())?.value ?? []).toString();
    expect(text).toContain('"key":"a/1"');
    expect(text).not.toContain('"key":"b"');
    await call("DELETE", `/v1/acl/token/${accessor}`, root);
    await call("PUT", "/v1/kv/a/2", root, "late");
    const rest = async () => {
      for (;;) if ((await reader?.read())?.done) return;
    };
    await rest().catch(() => undefined);
  });
});
