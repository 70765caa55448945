/** Where `filter` is taken, on the wire. */
import { expect, test } from "vitest";
import { startApi } from "../../test/fixtures/api.ts";

async function withServices() {
  const api = await startApi();
  for (const [ID, Tags, Port] of [
    ["a", ["v1"], 80],
    ["b", ["v2"], 81],
  ] as const) {
    const body = { Name: "web", ID, Tags, Port, Meta: { zone: ID }, Check: { TTL: "1m", Status: "passing" } };
    await api.client.exchange("PUT", "/v1/agent/service/register", JSON.stringify(body));
  }
  const Ports = [
    { Name: "http", Port: 8080, Default: true },
    { Name: "metrics", Port: 9090 },
  ];
  await api.client.exchange("PUT", "/v1/agent/service/register", JSON.stringify({ Name: "api", Ports }));
  return api;
}

test.each([
  ["health/service/web", "Service.ID == b", 1],
  ["health/service/web", "Service.Meta.zone == a and Checks.Status == passing", 1],
  ["health/checks/web", "ServiceID == a", 1],
  ["health/node/n1", 'CheckID matches "^service:"', 2],
  ["health/state/passing", "Name == `Serf Health Status`", 1],
  ["catalog/services", "ServiceMeta.zone == b", 1],
  ["catalog/services", "ServicePorts.Name == metrics or ServicePort == 80", 2],
  ["catalog/services", "ServicePort == 1", 0],
  ["catalog/service/web", "v2 in ServiceTags", 1],
  ["catalog/service/web", "ServicePort == 80 or ServicePort == 81", 2],
  ["catalog/nodes", "Node == n1 and Meta is empty", 1],
  ["catalog/nodes", "Node != n1", 0],
  ["agent/services", "Meta.zone == b", 1],
  ["agent/services", "Ports.Name == metrics", 1],
  ["agent/services", "Ports.Port == 8080 and Port == 8080", 1],
  ["agent/services", "Ports is empty", 2],
  ["health/service/api", "Service.Ports.Port == 9090", 1],
  ["catalog/service/api", "ServicePorts.Default == true and metrics in ServicePorts.Name", 1],
  ["catalog/service/web", "ServicePorts.Name == metrics", 0],
  ["agent/checks", "Status == passing and ServiceID == a", 1],
])("%s?filter=%s answers %i", async (path, filter, count) => {
  const { client } = await withServices();
  const { status, body } = await client.exchange("GET", `/v1/${path}?filter=${encodeURIComponent(filter)}`);
  expect(status, body.toString()).toBe(200);
  expect(Object.keys(JSON.parse(body.toString()))).toHaveLength(count);
});

test("of services only those are named, with the tags, of the instances that fit; and a change of any wakes", async () => {
  const { client } = await withServices();
  const path = `/v1/catalog/services?filter=${encodeURIComponent("ServiceMeta.zone == b")}`;
  const first = await client.exchange("GET", path);
  expect(JSON.parse(first.body.toString())).toEqual({ web: ["v2"] });
  const later = client.exchange("GET", `${path}&wait=1m&index=${first.headers["x-consul-index"]}`);
  const moved = { Name: "web", ID: "b", Tags: ["v2"], Port: 81, Meta: { zone: "c" } };
  await client.exchange("PUT", "/v1/agent/service/register", JSON.stringify(moved));
  expect(JSON.parse((await later).body.toString())).toEqual({});
});

test("of a node the services are filtered, not the node", async () => {
  const { client } = await withServices();
  const filter = encodeURIComponent("Port == 81");
  const [node, services] = await Promise.all(
    ["node", "node-services"].map(async (path) =>
      JSON.parse((await client.exchange("GET", `/v1/catalog/${path}/n1?filter=${filter}`)).body.toString()),
    ),
  );
  expect(node).toMatchObject({ Node: { Node: "n1" }, Services: { b: { Port: 81 } } });
  expect(Object.keys(node.Services)).toEqual(["b"]);
  expect(services.Services).toMatchObject([{ ID: "b" }]);
});
