/** Tokens on two hosts that deny by default: at agents, at the server behind them, and in DNS. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { Stage } from "../lab/stage.ts";

let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;
let root = "";

const anonymous = "00000000-0000-0000-0000-000000000002";
const bearing = (path: string, token: string) => `${path}${path.includes("?") ? "&" : "?"}token=${token}`;

beforeAll(async () => {
  stage = await Stage.open({ hosts: { h1: 1, h2: 2 } });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
  await stage.registered(h2, { ID: "web", Name: "web", Address: "10.1.1.1", Port: 80 });
  await stage.resolves("web.service.consul", ["10.1.1.1"]);
  await restartServer();
  root = await waitFor("the first token", async () => {
    const { status, body } = await stage.http(h1, "PUT", "/v1/acl/bootstrap");
    return status === 200 ? (JSON.parse(body) as { SecretID: string }).SecretID : undefined;
  });
});
afterAll(() => stage?.dispose());

async function restartServer(): Promise<void> {
  await stage.fabric.server.stop();
  await stage.fabric.startServer("--acl", "deny");
}

async function statusOf(
  host: Host,
  method: string,
  path: string,
  token: string,
  body?: unknown,
): Promise<number> {
  return (await stage.http(host, method, token === "" ? path : bearing(path, token), body)).status;
}

async function policy(name: string, rules: string): Promise<void> {
  const { status, body } = await stage.http(h1, "PUT", bearing("/v1/acl/policy", root), {
    Name: name,
    Rules: rules,
  });
  expect(status, body).toBe(200);
}

async function token(name: string): Promise<{ readonly SecretID: string; readonly AccessorID: string }> {
  const { body } = await stage.http(h1, "PUT", bearing("/v1/acl/token", root), {
    Policies: [{ Name: name }],
  });
  return JSON.parse(body);
}

describe("two hosts that deny by default", () => {
  it("tell nothing of what was there before, over HTTP and in DNS", async () => {
    for (const host of [h1, h2]) {
      await waitFor(`${host.name} to refuse`, async () => {
        return (await statusOf(host, "GET", "/v1/agent/self", "")) === 403 || undefined;
      });
      expect((await stage.http(host, "GET", "/v1/agent/services")).body).toBe("{}");
      expect((await stage.http(host, "GET", "/v1/health/service/web")).body).toBe("[]");
      expect(await statusOf(host, "PUT", "/v1/kv/a", "", "x")).toBe(403);
    }
    await stage.resolves("web.service.consul", []);
    await stage.resolves("h2.node.consul", []);
  });

  it("let a token do what it may at an agent, with a server and without, until it is taken back", async () => {
    await policy("web", 'service "web" { policy = "write" } key_prefix "web/" { policy = "write" }');
    const { SecretID: secret, AccessorID: accessor } = await token("web");
    const register = (name: string, using: string) =>
      statusOf(h2, "PUT", "/v1/agent/service/register", using, { Name: name, Address: "10.1.1.1", Port: 80 });
    expect(await register("web", secret)).toBe(200);
    expect(await register("db", secret)).toBe(403);
    expect(await register("web", "nobody")).toBe(403);
    expect(await statusOf(h2, "PUT", "/v1/kv/web/a", secret, "x")).toBe(200);
    await stage.fabric.server.killHard();
    expect(await register("web", secret)).toBe(200);
    expect(await register("db", secret)).toBe(403);
    expect(await register("web", "")).toBe(403);
    expect(await register("web", "never-seen")).toBe(500);
    await restartServer();
    await waitFor(
      "the token to be deleted",
      async () => (await statusOf(h1, "DELETE", `/v1/acl/token/${accessor}`, root)) === 200 || undefined,
    );
    await waitFor("h2 to refuse it", async () => (await register("web", secret)) === 403 || undefined);
  });

  it("answer in DNS what the anonymous token may read, at once", async () => {
    await policy("names", 'service "web" { policy = "read" } node_prefix "" { policy = "read" }');
    const path = bearing(`/v1/acl/token/${anonymous}`, root);
    expect((await stage.http(h1, "PUT", path, { Policies: [{ Name: "names" }] })).status).toBe(200);
    await stage.resolves("web.service.consul", ["10.1.1.1"]);
    await stage.resolves("h1.node.consul", [h1.address]);
    expect((await stage.http(h1, "PUT", path, { Policies: [] })).status).toBe(200);
    await stage.resolves("web.service.consul", []);
  });
});
