/** The document and the routes say the same, both ways, and answers are what the document says. */
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { systemClock } from "../../clock/index.ts";
import { startApi } from "../../test/fixtures/api.ts";
import { EventReader } from "../../test/fixtures/events.ts";
import { heddleOperations, routesOf } from "../create-api.ts";
import type { FabricBackend, LocalBackend } from "../fabric-backend.ts";
import { nodeOf } from "./shapes.ts";

type Json = Record<string, unknown>;
interface Document {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<string, { operationId: string; parameters?: Json[]; responses: Record<string, Json> }>
  >;
  readonly components: { readonly schemas: Record<string, Json> };
}

const network = {
  name: "web",
  pools: [{ cidr: "10.0.0.0/16", blockPrefix: 26, exclude: ["10.0.1.0/24"] }],
  backend: "auto",
  masquerade: true,
  createdAtMs: 1,
};
const use = {
  network: "web",
  pool: "10.0.0.0/16",
  size: "65534",
  blockPrefix: 26,
  blocks: "1024",
  blocksClaimed: 1,
  addressesClaimed: "64",
  byNode: [{ node: "n1", epoch: 1, blocks: ["10.0.0.0/26"] }],
  statics: [],
};

async function start() {
  const held: { api?: Awaited<ReturnType<typeof startApi>> } = {};
  const fabric = {
    networks: async () => [network],
    createNetwork: async () => network,
    deleteNetwork: async () => undefined,
    poolUse: async () => [use],
    nodes: async () => (held.api?.registry.nodes() ?? []).map((node) => nodeOf(node, true)),
    forgetNode: async () => undefined,
  } as unknown as FabricBackend;
  const component = { name: "store", state: "ok", summary: "memory", details: { a: 1 } } as const;
  const local: LocalBackend = {
    leases: async () => [],
    purgePlan: async () => ["ip link del heddle0"],
    status: async () => ({
      mode: "up",
      version: "0",
      node: "n1",
      datacenter: "dc1",
      startedAtMs: 0,
      components: [component],
    }),
  };
  const api = await startApi({ fabric, local });
  held.api = api;
  const document = await api.client.json<Document>("GET", "/v1/heddle/openapi.json");
  const { registry, writer } = api;
  const self = {
    node: "n1",
    id: "",
    address: "127.0.0.1",
    datacenter: "dc1",
    version: "0",
    server: true,
    meta: {},
  };
  const options = { self, clock: systemClock, server: { registry, writer, fabric }, local };
  return { api, document, options };
}

/** The schema of an answer in the document, as a validator. */
function validator(document: Document, path: string, method: string, status: number): z.ZodType {
  const responses = document.paths[path]?.[method.toLowerCase()]?.responses;
  const answer = (responses?.[String(status)] ?? responses?.["default"]) as {
    content: Record<string, { schema: Json }>;
  };
  const text = JSON.stringify({
    ...answer.content["application/json"]?.schema,
    $defs: document.components.schemas,
  });
  return z.fromJSONSchema(JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/")));
}

describe("the document", () => {
  it("has every route of /v1/heddle/, and nothing else", async () => {
    const { document, options } = await start();
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{\w+\}$/, "*")}`),
    );
    const served = routesOf(options)
      .filter(({ path }) => path.startsWith("/v1/heddle/"))
      .flatMap(({ path, methods }) => Object.keys(methods).map((method) => `${method} ${path}`));
    expect(documented.toSorted()).toEqual(served.toSorted());
    expect(new Set(documented).size).toBe(documented.length);
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map((one) => one.operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("points at nothing that is not there", async () => {
    const { document } = await start();
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref = ""]) => ref);
    expect(refs.length).toBeGreaterThan(0);
    for (const ref of refs)
      expect(Object.keys(document.components.schemas)).toContain(ref.replace("#/components/schemas/", ""));
    expect(document.openapi).toBe("3.1.0");
  });

  it("names each parameter that is taken; any other is refused", async () => {
    const { api, options } = await start();
    for (const { method, path } of heddleOperations(options)) {
      const target = `${path.replace(/\{\w+\}$/, "x")}?nonsense=1`;
      const { status, body } = await api.client.exchange(method, target);
      expect(status, `${method} ${target}`).toBe(400);
      expect(JSON.parse(body.toString())).toMatchObject({ code: "API_BAD_REQUEST" });
    }
  });
});

describe("answers", () => {
  it.each([
    ["GET", "/v1/heddle/networks", "", 200, undefined],
    ["POST", "/v1/heddle/networks", "", 201, { name: "web", pools: [{ cidr: "10.0.0.0/16" }] }],
    ["POST", "/v1/heddle/networks", "", 400, { name: "web", pools: [] }],
    ["GET", "/v1/heddle/ipam", "?network=web", 200, undefined],
    ["GET", "/v1/heddle/nodes", "?pretty", 200, undefined],
    ["GET", "/v1/heddle/status", "", 200, undefined],
    ["GET", "/v1/heddle/leases", "", 200, undefined],
    ["GET", "/v1/heddle/purge-plan", "", 200, undefined],
    ["GET", "/v1/heddle/openapi.json", "", 200, undefined],
    ["GET", "/v1/heddle/history-rules", "", 200, undefined],
    ["GET", "/v1/heddle/discover", "?need=/gem", 200, undefined],
    ["GET", "/v1/heddle/discover", "", 400, undefined],
  ] as const)("of %s %s%s with %i are as documented", async (method, path, query, expected, body) => {
    const { api, document } = await start();
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const { status, body: bytes } = await api.client.exchange(method, path + query, sent);
    expect(status).toBe(expected);
    const parsed = validator(document, path, method, status).safeParse(JSON.parse(bytes.toString()));
    expect(parsed.error).toBeUndefined();
  });

  it("of keys and their history are as documented", async () => {
    const { api, document } = await start();
    const lines = [
      ["PUT", "/v1/heddle/history-rules/{prefix}", "", "", 200],
      ["PUT", "/v1/heddle/kv/{key}", "a", "?ttl=1h", 200],
      ["PUT", "/v1/heddle/kv/{key}", "a", "?cas=0", 409],
      ["GET", "/v1/heddle/kv/{key}", "a", "", 200],
      ["GET", "/v1/heddle/kv/{key}", "a", "?revision=1000000", 400],
      ["GET", "/v1/heddle/kv/{key}", "b", "", 404],
      ["DELETE", "/v1/heddle/kv/{key}", "a", "", 200],
      ["GET", "/v1/heddle/history/{key}", "a", "", 200],
      ["DELETE", "/v1/heddle/history-rules/{prefix}", "", "", 204],
    ] as const;
    for (const [method, path, rest, query, expected] of lines) {
      const target = path.replace(/\{\w+\}$/, rest) + query;
      const { status, body } = await api.client.exchange(method, target, method === "PUT" ? "x" : undefined);
      expect(status, `${method} ${target}: ${body}`).toBe(expected);
      if (status === 204) continue;
      const parsed = validator(document, path, method, status).safeParse(JSON.parse(body.toString()));
      expect(parsed.error, `${method} ${target}: ${body}`).toBeUndefined();
    }
  });

  it("are judged by a validator that can refuse", async () => {
    const { document } = await start();
    const schema = validator(document, "/v1/heddle/nodes", "GET", 200);
    expect(schema.safeParse([{ name: "n1" }]).success).toBe(false);
  });

  it("of streams carry data as documented", async () => {
    const { api, document } = await start();
    const schemas = { kv: "KvEntry", nodes: "Node", checks: "Check", services: "Instance" };
    await api.writer.kvPut("a", Buffer.from("1"));
    await api.consul.agent.service.register({
      id: "w",
      name: "web",
      port: 1,
      tags: ["t"],
      meta: { a: "b" },
    } as never);
    for (const [kind, name] of Object.entries(schemas)) {
      const reader = await EventReader.open(
        api.http.port,
        `/v1/heddle/watch/${kind}${kind === "kv" ? "/" : ""}`,
      );
      const events = await reader.until("synced");
      reader.close();
      expect(events.length, kind).toBeGreaterThan(1);
      expect(document.components.schemas[name], name).toBeDefined();
      const schema = { ...document.components.schemas[name], $defs: document.components.schemas };
      for (const { data } of events.slice(0, -1)) {
        const { revision: _, ...shape } = data;
        expect(z.fromJSONSchema(schema).safeParse(shape).error, kind).toBeUndefined();
      }
    }
  });
});
