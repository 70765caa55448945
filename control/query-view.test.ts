/** The view of a prepared query's name, from a server's registry to an agent. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { parseIp } from "../addr/index.ts";
import type { QueryRecord } from "../registry/index.ts";
import { TestFabric } from "../test/control/fabric.ts";
import type { QueryViewItem } from "./index.ts";

let fabric: TestFabric;
beforeEach(() => {
  fabric = new TestFabric();
});
afterEach(() => fabric.close());

const plain: Omit<QueryRecord, "id"> = {
  name: "q",
  session: "",
  service: "web",
  connect: false,
  onlyPassing: false,
  tags: [],
  nodeMeta: {},
  serviceMeta: {},
  ignoreCheckIds: [],
  near: "",
  failoverNearestN: 0,
  failoverDatacenters: [],
  failoverTargets: [],
  dnsTtlMs: 1500,
};

async function opened(name: string) {
  const server = await fabric.server();
  const agent = fabric.agent([server.address]);
  const view = agent.client.subscribe(`query/${name}`);
  await view.whenReady();
  const node = (id: string) =>
    server.writer.upsertNode({
      name: id,
      id,
      address: parseIp("10.0.0.1"),
      datacenter: "dc1",
      meta: {},
      taggedAddresses: {},
    });
  const service = (on: string, more: object) =>
    server.writer.registerService({
      node: on,
      id: "i",
      name: "web",
      kind: "",
      tags: [],
      address: "",
      port: 80,
      meta: {},
      weights: { passing: 1, warning: 1 },
      enableTagOverride: false,
      taggedAddresses: {},
      ...more,
    });
  const holds = (keys: readonly string[], query?: Partial<QueryViewItem>) =>
    vi.waitFor(() => {
      expect([...view.items.keys()].sort()).toEqual(keys);
      if (query) expect(view.items.get("query")).toEqual(query);
    });
  return { ...server, client: agent.client, view, node, service, holds };
}

it("holds what the query finds, as the query and the service change", async () => {
  const { writer, node, service, holds } = await opened("q");
  await holds([]);
  await node("a");
  await service("a", {});
  await service("a", { id: "j", tags: ["eu"] });
  await service("a", { id: "d", name: "db" });
  const id = await writer.createQuery(plain);
  await holds(["a/i", "a/j", "query"], { service: "web", ttlSeconds: 1, near: "" });
  await writer.updateQuery(id, { ...plain, tags: ["!eu"], dnsTtlMs: 0 });
  await holds(["a/i", "query"], { service: "web", ttlSeconds: 0, near: "" });
  await writer.updateQuery(id, { ...plain, service: "db" });
  await holds(["a/d", "query"]);
  await service("a", { id: "e", name: "db" });
  await holds(["a/d", "a/e", "query"]);
  await writer.deregisterService("a", "d");
  await holds(["a/e", "query"]);
  await writer.deleteQuery(id);
  await holds([]);
});

it("is that of the template with the longest prefix, as templates come and go", async () => {
  const { writer, node, service, holds } = await opened("of-web");
  await node("a");
  await service("a", {});
  const template = { kind: "name_prefix_match", regexp: "", removeEmptyTags: false } as const;
  await writer.createQuery({ ...plain, name: "of-", template, service: "${name.suffix}" });
  await holds(["a/i", "query"]);
  const closer = await writer.createQuery({ ...plain, name: "of-w", template, service: "none" });
  await holds(["query"], { service: "none", ttlSeconds: 1, near: "" });
  await writer.deleteQuery(closer);
  await holds(["a/i", "query"]);
});

it("of several names moves with one change of a query", async () => {
  const { client, writer, node, service, holds } = await opened("q");
  const others = ["r", "s"].map((name) => client.subscribe(`query/${name}`));
  await Promise.all(others.map((view) => view.whenReady()));
  await node("a");
  await service("a", {});
  const id = await writer.createQuery({
    ...plain,
    name: "",
    template: { kind: "name_prefix_match", regexp: "", removeEmptyTags: false },
  });
  const sizes = (size: number) =>
    vi.waitFor(() => expect(others.map((view) => view.items.size)).toEqual([size, size]));
  await holds(["a/i", "query"]);
  await sizes(2);
  await writer.deleteQuery(id);
  await holds([]);
  await sizes(0);
});

it("carries coordinates when the query asks for nearness, and follows them", async () => {
  const { writer, view, node, service, holds } = await opened("q");
  const coordinate = (x: number) => ({
    vector: [x, 0, 0, 0, 0, 0, 0, 0],
    error: 0,
    adjustment: 0,
    height: 0,
  });
  await node("a");
  await node("b");
  await service("a", {});
  await writer.putCoordinate({ node: "a", segment: "", coordinate: coordinate(1) });
  await writer.putCoordinate({ node: "b", segment: "", coordinate: coordinate(2) });
  const id = await writer.createQuery({ ...plain, near: "B" });
  const query = { service: "web", ttlSeconds: 1, near: "b" };
  await holds(["a/i", "query"], { ...query, origin: coordinate(2) });
  expect(view.items.get("a/i")).toMatchObject({ coordinate: coordinate(1) });
  await writer.putCoordinate({ node: "b", segment: "", coordinate: coordinate(3) });
  await holds(["a/i", "query"], { ...query, origin: coordinate(3) });
  await writer.updateQuery(id, { ...plain, near: "" });
  await holds(["a/i", "query"], { ...query, near: "" });
  expect(view.items.get("a/i")).not.toHaveProperty("coordinate");
});
