/** Network coordinates, and the order that they give. */
import { describe, expect, test } from "vitest";
import { startApi, until } from "../test/fixtures/api.ts";

type Api = Awaited<ReturnType<typeof startApi>>;

async function call(api: Api, line: string, body?: object, headers: Record<string, string> = {}) {
  const [method = "GET", target = "/"] = line.split(" ");
  const answer = await api.handle({
    method,
    target,
    headers,
    body: Buffer.from(body ? JSON.stringify(body) : ""),
  });
  return { status: answer.status, headers: answer.headers, text: String(answer.body) };
}

async function read(api: Api, path: string, headers: Record<string, string> = {}) {
  const { status, text } = await call(api, `GET ${path}`, undefined, headers);
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

function coordinate(seconds: number, more: object = {}) {
  return { Vec: [seconds, 0, 0, 0, 0, 0, 0, 0], Error: 0.1, Adjustment: 0, Height: 0.001, ...more };
}

async function put(api: Api, Node: string, Coord: object, more: object = {}) {
  return call(api, "PUT /v1/coordinate/update", { Node, Coord, ...more });
}

/** n1 is the agent's; far, mid and near stand where their names say, lost has no coordinates. */
async function withNodes(): Promise<Api> {
  const api = await startApi();
  for (const [at, [Node, seconds]] of Object.entries([
    ["far", 0.3],
    ["lost", undefined],
    ["mid", 0.1],
    ["near", 0.01],
  ] as const)) {
    const Service = { Service: "web", ID: Node, Port: 80 };
    const Check = { CheckID: `c-${Node}`, ServiceID: Node, Status: "passing" };
    const Address = `10.0.0.${Number(at) + 1}`;
    await call(api, "PUT /v1/catalog/register", { Node, Address, Service, Check });
    if (seconds !== undefined) expect((await put(api, Node, coordinate(seconds))).status).toBe(200);
  }
  await put(api, "n1", coordinate(0));
  return api;
}

describe("coordinates", () => {
  test("are put, read by node and by segment, and wake who waits", async () => {
    const api = await withNodes();
    const first = await call(api, "GET /v1/coordinate/node/mid");
    expect(JSON.parse(first.text)).toEqual([{ Node: "mid", Segment: "", Coord: coordinate(0.1) }]);
    const list = await call(api, "GET /v1/coordinate/nodes");
    const poll = call(api, `GET /v1/coordinate/nodes?index=${list.headers["X-Consul-Index"]}&wait=60s`);
    await until(() => api.registry.status().waiters === 1);
    await put(api, "mid", coordinate(0.2), { Segment: "a/b" });
    expect(JSON.parse((await poll).text)).toContainEqual({
      Node: "mid",
      Segment: "a/b",
      Coord: coordinate(0.2),
    });
    expect(await read(api, "/v1/coordinate/nodes?segment=a/b")).toHaveLength(1);
    expect(await read(api, "/v1/coordinate/nodes?segment=")).toHaveLength(4);
    expect((await call(api, "GET /v1/coordinate/node/lost")).status).toBe(404);
    expect(await read(api, "/v1/coordinate/datacenters")).toEqual([
      { Datacenter: "dc1", AreaID: "wan", Coordinates: [] },
    ]);
  });

  test("of one node do not wake who waits for another; the same again changes nothing", async () => {
    const api = await withNodes();
    const before = api.registry.indexOf({ kind: "nodeCoordinates", node: "mid" });
    await put(api, "near", coordinate(0.02));
    expect(api.registry.indexOf({ kind: "nodeCoordinates", node: "mid" })).toBe(before);
    const index = api.registry.index;
    await put(api, "near", coordinate(0.02));
    expect(api.registry.index).toBe(index);
  });

  test("go with their node", async () => {
    const api = await withNodes();
    await call(api, "PUT /v1/catalog/deregister", { Node: "mid" });
    expect((await read(api, "/v1/coordinate/nodes")).map((one: { Node: string }) => one.Node)).toEqual([
      "far",
      "n1",
      "near",
    ]);
    await call(api, "PUT /v1/catalog/register", { Node: "mid", Address: "10.0.0.9" });
    expect((await call(api, "GET /v1/coordinate/node/mid")).status).toBe(404);
  });

  test.each([
    [{ Node: "mid", Coord: { Vec: [1, 2] } }, 400],
    [{ Node: "mid", Coord: coordinate(0, { Height: "x" }) }, 400],
    [{ Node: "mid" }, 400],
    [{ Coord: coordinate(0) }, 400],
    [{ Node: "nobody", Coord: coordinate(0) }, 404],
    [{ Node: "mid", Coord: coordinate(0), Segment: "s".repeat(200) }, 400],
  ])("%j is refused with %i", async (body, status) => {
    expect((await call(await withNodes(), "PUT /v1/coordinate/update", body)).status).toBe(status);
  });

  test("of a node have no more segments than the limit", async () => {
    const api = await withNodes();
    for (let at = 0; at < 7; at++) await put(api, "mid", coordinate(1), { Segment: String(at) });
    expect((await put(api, "mid", coordinate(1), { Segment: "one more" })).status).toBe(429);
    expect((await put(api, "mid", coordinate(2), { Segment: "0" })).status).toBe(200);
  });
});

describe("near", () => {
  const nodes = ["near", "mid", "far", "lost"];
  test.each([
    ["/v1/catalog/nodes", (one: { Node: string }) => one.Node, ["n1", ...nodes]],
    ["/v1/catalog/service/web", (one: { Node: string }) => one.Node, nodes],
    ["/v1/health/service/web", (one: { Node: { Node: string } }) => one.Node.Node, nodes],
    ["/v1/health/checks/web", (one: { Node: string }) => one.Node, nodes],
    ["/v1/health/state/passing", (one: { Node: string }) => one.Node, ["n1", ...nodes]],
  ])("sorts %s, what has no coordinates last", async (path, nodeOf, expected) => {
    const api = await withNodes();
    const order = async (near: string, headers = {}) =>
      (await read(api, `${path}?near=${near}`, headers)).map(nodeOf);
    expect(await order("_agent")).toEqual(expected);
    expect(await order("N1")).toEqual(expected);
    const fromFar = [...expected].reverse().filter((node) => node !== "lost");
    expect(await order("far")).toEqual([...fromFar, "lost"]);
    expect(await order("_ip", { "x-forwarded-for": "10.0.0.1, 1.2.3.4" })).toEqual([...fromFar, "lost"]);
    expect(await order("nobody")).toEqual([...expected].sort());
    expect(await order("lost")).toEqual(["lost", ...[...expected].sort().filter((node) => node !== "lost")]);
  });

  test("of a query, or of its execution, puts the nearest first", async () => {
    const api = await withNodes();
    const make = async (Near: string) =>
      JSON.parse((await call(api, "POST /v1/query", { Service: { Service: "web", Near } })).text).ID;
    const order = async (id: string, query = "") =>
      (await read(api, `/v1/query/${id}/execute${query}`)).Nodes.map(
        (one: { Node: { Node: string } }) => one.Node.Node,
      );
    expect(await order(await make("_agent"))).toEqual(nodes);
    expect(await order(await make("_agent"), "?near=far&limit=2")).toEqual(["far", "mid"]);
    expect((await order(await make("lost")))[0]).toBe("lost");
  });

  test("a reader of a sorted list still waits for its list", async () => {
    const api = await withNodes();
    const index = api.registry.indexOf({ kind: "service", name: "web" });
    const poll = call(api, `GET /v1/health/service/web?near=_agent&index=${index}&wait=60s`);
    await until(() => api.registry.status().waiters === 1);
    await call(api, "PUT /v1/catalog/deregister", { Node: "near" });
    expect(JSON.parse((await poll).text)).toHaveLength(3);
  });
});
