import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { MemoryStore, type Store } from "../../store/index.ts";
import { nodeRecord } from "../../test/fixtures/api.ts";
import { gated } from "../../test/fixtures/gated-store.ts";
import { Registry } from "../registry.ts";
import { RegistryWriter } from "../registry-writer.ts";
import { transaction } from "../transaction.ts";
import { type AgentDelta, AgentState } from "./agent-state.ts";
import type { AgentLimits, ServiceDefinition } from "./definition.ts";

const web: ServiceDefinition = {
  name: "web",
  tags: ["a"],
  port: 80,
  checks: [{ probe: { kind: "ttl", ttlMs: 1000 } }],
};

async function open(store: Store = new MemoryStore(), limits: Partial<AgentLimits> = {}) {
  const state = await AgentState.open({ store, node: "n1", limits });
  const deltas: AgentDelta[] = [];
  state.onChange((delta) => deltas.push(delta));
  return { state, store, deltas };
}

describe("registering", () => {
  test("a service's id is its name, its check is critical and named after it", async () => {
    const { state, deltas } = await open();
    await state.registerService(web);
    expect(state.service("web")).toMatchObject({
      id: "web",
      node: "n1",
      weights: { passing: 1, warning: 1 },
    });
    expect(state.check("service:web")?.record).toMatchObject({
      name: "Service 'web' check",
      status: "critical",
      serviceId: "web",
      serviceTags: ["a"],
      type: "ttl",
    });
    expect(deltas).toHaveLength(1);
    expect(deltas[0]?.started.map(({ record }) => record.id)).toEqual(["service:web"]);
  });

  test("again keeps the status that a check has reached and shows new tags on its other checks", async () => {
    const { state } = await open();
    await state.registerService(web);
    await state.registerCheck({ name: "extra", probe: { kind: "ttl", ttlMs: 1000 } }, "web");
    state.setStatus("service:web", "passing", "fine");
    await state.registerService({ ...web, tags: ["b"] });
    expect(state.check("service:web")?.record).toMatchObject({
      status: "passing",
      output: "fine",
      serviceTags: ["b"],
    });
    expect(state.check("extra")?.record.serviceTags).toEqual(["b"]);
  });

  test("a status that comes while the journal is written is not lost", async () => {
    const { state } = await open();
    await state.registerService(web);
    const again = state.registerService({ ...web, port: 81 });
    state.setStatus("service:web", "passing", "");
    await again;
    expect(state.check("service:web")?.record.status).toBe("passing");
  });

  test("deregistering takes the checks along and says so", async () => {
    const { state, deltas } = await open();
    await state.registerService(web);
    await state.deregisterService("web");
    expect(state.checks()).toEqual([]);
    expect(deltas.at(-1)).toMatchObject({ stopped: ["service:web"], sync: { removedServices: ["web"] } });
    await expect(state.deregisterService("web")).rejects.toMatchObject({
      code: "REGISTRY_SERVICE_NOT_FOUND",
    });
    await expect(state.deregisterCheck("service:web")).rejects.toMatchObject({
      code: "REGISTRY_CHECK_NOT_FOUND",
    });
  });

  test.each<[string, Partial<AgentLimits>, ServiceDefinition, string]>([
    ["services", { servicesMax: 0 }, { name: "x" }, "REGISTRY_LIMIT"],
    ["checks", { checksMax: 0 }, web, "REGISTRY_LIMIT"],
    ["checks of a service", { checksPerServiceMax: 0 }, web, "REGISTRY_INVALID"],
    ["tags", { tagsMax: 0 }, web, "REGISTRY_INVALID"],
    ["the name", { nameBytesMax: 1 }, web, "REGISTRY_INVALID"],
    ["meta", { metaPairsMax: 0 }, { name: "x", meta: { a: "b" } }, "REGISTRY_INVALID"],
    ["an empty name", {}, { name: "" }, "REGISTRY_INVALID"],
    [
      "two checks with one id",
      {},
      {
        name: "x",
        checks: [
          { id: "c", probe: { kind: "none" } },
          { id: "c", probe: { kind: "none" } },
        ],
      },
      "REGISTRY_INVALID",
    ],
  ])("beyond the bounds of %s is refused and leaves no trace", async (_, limits, definition, code) => {
    const { state, store, deltas } = await open(new MemoryStore(), limits);
    await expect(state.registerService(definition)).rejects.toMatchObject({ code });
    expect(deltas).toEqual([]);
    expect((await store.range("")).items).toEqual([]);
  });
});

describe("a journal that takes its time", () => {
  const twice: ServiceDefinition = { ...web, port: 81, tags: ["b"] };

  /** An agent whose journal waits for `go` at each write. */
  async function slow(before: readonly ServiceDefinition[] = []) {
    const store = new MemoryStore();
    const { state: earlier } = await open(store);
    for (const definition of before) await earlier.registerService(definition);
    const { promise: gate, resolve: go, reject: fail } = Promise.withResolvers<void>();
    const { state, deltas } = await open(gated(store, { beforeTxn: () => gate }));
    return { store, state, deltas, go, fail: () => fail(new FabricError("STORE_UNAVAILABLE", "disk full")) };
  }

  test("is not waited for by the server, but by the caller", async () => {
    const { state, deltas, go } = await slow();
    let isAnswered = false;
    const registering = state.registerService(web).then(() => {
      isAnswered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(deltas.map(({ sync }) => sync.services.map(({ id }) => id))).toEqual([["web"]]);
    expect(isAnswered).toBe(false);
    go();
    await registering;
    expect(deltas).toHaveLength(1);
  });

  test("and fails takes back what it refused, a new service as well as a change or an end", async () => {
    for (const [before, act] of [
      [[], (state: AgentState) => state.registerService(web)],
      [[web], (state: AgentState) => state.registerService({ ...twice, checks: [] }, true)],
      [[web], (state: AgentState) => state.deregisterService("web")],
    ] as const) {
      const { state, deltas, fail } = await slow(before);
      const [was, hash] = [state.snapshot(), state.hash()];
      const acting = expect(act(state)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      await new Promise((resolve) => setImmediate(resolve));
      expect(state.hash()).not.toBe(hash);
      fail();
      await acting;
      expect([state.snapshot(), state.hash()]).toEqual([was, hash]);
      expect(deltas).toHaveLength(2);
    }
  });

  test("and fails keeps a status that came meanwhile", async () => {
    const { state, fail } = await slow([web]);
    const acting = expect(state.registerService(twice)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await new Promise((resolve) => setImmediate(resolve));
    state.setStatus("service:web", "passing", "fine");
    fail();
    await acting;
    expect(state.service("web")?.port).toBe(80);
    expect(state.check("service:web")?.record.status).toBe("passing");
  });

  test("and an agent that dies meanwhile: the comparison after its start takes back what nobody was answered", async () => {
    const { store, state } = await slow([web]);
    const catalog = await server();
    void state.registerService({ name: "late", port: 1 });
    void state.deregisterService("web");
    await new Promise((resolve) => setImmediate(resolve));
    await catalog.writer.syncNode("n1", 1, state.snapshot());
    expect(catalog.ids()).toEqual(["late", "web"]);
    const { state: restarted } = await open(store);
    expect(restarted.hash()).not.toBe(state.hash());
    await catalog.writer.syncNode("n1", 1, restarted.snapshot());
    expect(catalog.ids()).toEqual(["web"]);
  });

  async function server() {
    const store = new MemoryStore();
    const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
    onTestFinished(() => registry.close());
    const writer = new RegistryWriter({ store, registry, clock: systemClock });
    await writer.upsertNode(nodeRecord("n1"));
    return { writer, ids: () => registry.servicesOfNode("n1").map(({ id }) => id) };
  }
});

describe("a restart", () => {
  test("brings registrations back with the status they had", async () => {
    const { state, store } = await open();
    await state.registerService(web);
    await state.registerCheck({ name: "disk", probe: { kind: "ttl", ttlMs: 1000 } });
    state.setStatus("service:web", "passing", "fine");
    await state.deregisterCheck("disk");
    const { state: later } = await open(store);
    expect(later.snapshot()).toEqual(state.snapshot());
    expect(later.check("service:web")?.record.status).toBe("passing");
    expect(later.hash()).toBe(state.hash());
  });

  test("leaves out what is damaged", async () => {
    const { state, store } = await open();
    await state.registerService(web);
    const { items } = await store.range("registration/checks/");
    const [item] = items;
    await store.txn(transaction([], [{ op: "put", key: item?.key ?? "", value: Buffer.from("{") }]));
    const { state: later } = await open(store);
    expect(later.services()).toHaveLength(1);
    expect(later.checks()).toEqual([]);
  });
});

test("the hash follows the content, the revision each change", async () => {
  const { state } = await open();
  const empty = state.hash();
  await state.registerService(web);
  expect(state.hash()).not.toBe(empty);
  const { revision } = state;
  state.setStatus("service:web", "critical", "");
  expect(state.revision).toBe(revision);
  state.setStatus("service:web", "critical", "x".repeat(10_000));
  expect(state.revision).toBe(revision + 1);
  expect(state.check("service:web")?.record.output).toHaveLength(4096);
  await state.deregisterService("web");
  expect(state.hash()).toBe(empty);
});
