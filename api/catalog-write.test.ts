/** Nodes without an agent: registered and deregistered past any, as consul-esm and scripts do. */
import { describe, expect, test } from "vitest";
import { startApi, until } from "../test/fixtures/api.ts";

type Api = Awaited<ReturnType<typeof startApi>>;

async function put(api: Api, path: string, body: unknown) {
  const { status, body: bytes } = await api.client.exchange(
    "PUT",
    `/v1/catalog/${path}`,
    JSON.stringify(body),
  );
  return [status, bytes.toString()];
}

async function get(api: Api, path: string) {
  return JSON.parse((await api.client.exchange("GET", `/v1/${path}`)).body.toString());
}

const google = {
  Node: "ext",
  Address: "192.0.2.7",
  NodeMeta: { "external-node": "true" },
  Service: { ID: "search1", Service: "search", Port: 80, Tags: ["v1"] },
  Check: { CheckID: "service:search1", Name: "up", Status: "passing", ServiceID: "search1" },
};

describe("register", () => {
  test("shows node, service and check to all readers; the id of the node is never empty and stays", async () => {
    const api = await startApi();
    expect(await put(api, "register", google)).toEqual([200, "true"]);
    const [{ Node, Service, Checks }] = await get(api, "health/service/search?passing");
    expect(Node).toMatchObject({ Node: "ext", Address: "192.0.2.7", Meta: { "external-node": "true" } });
    expect(Node.ID).toMatch(/^[0-9a-f]{8}-/);
    expect(Service).toMatchObject({ ID: "search1", Tags: ["v1"], Port: 80 });
    expect(Checks).toMatchObject([
      { CheckID: "service:search1", ServiceName: "search", ServiceTags: ["v1"] },
    ]);
    await put(api, "register", { Node: "ext", Address: "192.0.2.8" });
    const { Node: moved, Services } = await get(api, "catalog/node-services/ext");
    expect(moved).toMatchObject({ Address: "192.0.2.8", ID: Node.ID });
    expect(Services).toMatchObject([{ ID: "search1" }]);
    expect(await get(api, "catalog/node-services/absent")).toEqual({ Node: null, Services: null });
  });

  test("the same again changes nothing and wakes nobody", async () => {
    const api = await startApi();
    await put(api, "register", google);
    const before = api.registry.index;
    await put(api, "register", google);
    expect(api.registry.index).toBe(before);
  });

  test("SkipNodeUpdate leaves the node as it is", async () => {
    const api = await startApi();
    await put(api, "register", google);
    const more = { Node: "ext", SkipNodeUpdate: true, Service: { Service: "mail" } };
    expect(await put(api, "register", more)).toEqual([200, "true"]);
    expect(api.registry.node("ext")?.address).toBe("192.0.2.7");
    expect(api.registry.servicesOfNode("ext").map(({ id }) => id)).toEqual(["mail", "search1"]);
  });

  test("beneath a node of the fabric services may be put, the node itself is its agent's", async () => {
    const api = await startApi();
    expect(await put(api, "register", { Node: "n1", Service: { Service: "x" } })).toEqual([200, "true"]);
    expect(api.registry.node("n1")?.fabric).toBeDefined();
    expect((await put(api, "register", { Node: "n1", Address: "192.0.2.9" }))[0]).toBe(400);
    expect((await put(api, "deregister", { Node: "n1" }))[0]).toBe(400);
  });

  test.each([
    [{}, "Must provide node"],
    [{ Node: "x" }, "Must provide address if SkipNodeUpdate is not set"],
    [{ Node: "x", Address: "192.0.2.1", Service: {} }, "Must provide service name"],
    [
      { Node: "x", Address: "192.0.2.1", Check: { CheckID: "c", ServiceID: "none" } },
      "Missing service registration",
    ],
    [
      { Node: "x", Address: "192.0.2.1", Check: { CheckID: "c", Status: "fine" } },
      "Invalid check status: 'fine'",
    ],
  ])("%j is refused whole", async (body, text) => {
    const api = await startApi();
    expect(await put(api, "register", body)).toEqual([400, text]);
    expect(api.registry.node("x")).toBeUndefined();
  });
});

test("deregister takes a check, a service with its checks, or the node with everything; twice is fine", async () => {
  const api = await startApi();
  await put(api, "register", { ...google, Checks: [{ CheckID: "ping", Status: "passing" }] });
  const gone = async (body: object) => {
    for (let times = 0; times < 2; times++)
      expect(await put(api, "deregister", { Node: "ext", ...body })).toEqual([200, "true"]);
  };
  await gone({ CheckID: "ping" });
  expect(api.registry.checksOfNode("ext").map(({ id }) => id)).toEqual(["service:search1"]);
  await gone({ ServiceID: "search1" });
  expect([api.registry.service("search"), api.registry.checksOfNode("ext")]).toEqual([[], []]);
  await gone({});
  expect(api.registry.node("ext")).toBeUndefined();
});

test("sessions live on nodes without an agent, by their checks", async () => {
  const api = await startApi();
  await put(api, "register", google);
  const session = { Node: "ext", NodeChecks: ["service:search1"] };
  const { body } = await api.client.exchange("PUT", "/v1/session/create", JSON.stringify(session));
  const { ID } = JSON.parse(body.toString());
  await put(api, "register", { ...google, Check: { ...google.Check, Status: "critical" } });
  await until(() => !api.registry.session(ID));
});

test("Consul's npm client registers and deregisters", async () => {
  const { consul } = await startApi();
  await consul.catalog.register({
    node: "ext",
    address: "192.0.2.7",
    service: { service: "mail", port: 25 },
  } as never);
  expect(await consul.catalog.service.nodes("mail")).toMatchObject([{ Node: "ext", ServicePort: 25 }]);
  expect(await consul.catalog.node.services("ext")).toMatchObject({ Node: { Node: "ext" } });
  await consul.catalog.deregister({ node: "ext" });
  expect(await consul.catalog.node.list()).toHaveLength(1);
});
