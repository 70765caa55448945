/** What may come between the steps of a session's end, forced one by one. */
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { MemoryStore, type Store } from "../../store/index.ts";
import { gated } from "../../test/fixtures/gated-store.ts";
import { moved } from "../../test/fixtures/moved.ts";
import { planNode } from "../catalog/plan-node.ts";
import { Registry } from "../registry.ts";
import { RegistryWriter } from "../registry-writer.ts";
import { keepSessions } from "./session-keeper.ts";

const spec = {
  node: "n1",
  name: "",
  behavior: "release",
  lockDelayMs: 0,
  ttl: "",
  ttlMs: 0,
  nodeChecks: [],
  serviceChecks: [],
} as const;

async function server(store: Store) {
  const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
  onTestFinished(() => registry.close());
  return { registry, writer: new RegistryWriter({ store, registry, clock: systemClock }) };
}

async function withNode(store: Store) {
  const first = await server(store);
  const node = { name: "n1", id: "", address: "192.0.2.1", datacenter: "dc1", meta: {}, taggedAddresses: {} };
  await first.writer.upsertNode(planNode(node));
  return first;
}

test("a lock that was decided before the session ended and sent after it is refused", async () => {
  const store = new MemoryStore();
  const { writer } = await withNode(store);
  const id = await writer.createSession(spec);
  const slow = await server(
    gated(store, {
      beforeTxn: async ({ success }) => void (success.length > 0 && (await writer.endSession(id))),
    }),
  );
  await expect(slow.writer.kvPut("k", Buffer.from("1"), { acquire: id })).rejects.toMatchObject({
    code: "REGISTRY_SESSION_INVALID",
  });
  expect((await store.range("kv/")).items).toEqual([]);
});

test("a server that has not heard of a lock yet waits for it before it ends the session", async () => {
  const store = new MemoryStore();
  const { registry, writer } = await withNode(store);
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  let isBehind = false;
  const behind = await server(gated(store, { beforeBatch: async () => void (isBehind && (await opened)) }));
  const id = await writer.createSession(spec);
  await behind.registry.applied(registry.index);
  isBehind = true;
  await writer.kvPut("k", Buffer.from("1"), { acquire: id });
  const end = behind.writer.endSession(id);
  await moved(registry, { kind: "sessionEnd", id }, registry.indexOf({ kind: "sessionEnd", id }));
  open();
  await end;
  await registry.barrier();
  expect(registry.session(id)).toBeUndefined();
  expect(registry.kv("k")).toMatchObject({ lockIndex: 1 });
  expect(registry.kv("k")?.session).toBeUndefined();
});

test("all servers of a store keep the lock delay, whichever of them ended the session", async () => {
  const store = new MemoryStore();
  const { registry, writer } = await withNode(store);
  const other = await server(store);
  const id = await writer.createSession({ ...spec, lockDelayMs: 60_000, behavior: "delete" });
  const next = await writer.createSession(spec);
  await writer.kvPut("k", Buffer.from("1"), { acquire: id });
  await writer.endSession(id);
  await other.registry.applied(registry.index);
  const { succeeded } = await other.writer.kvPut("k", Buffer.from("1"), { acquire: next });
  expect(succeeded).toBe(false);
});

test("a session that was ending when its server died is ended by the next one", async () => {
  const store = new MemoryStore();
  const { registry, writer } = await withNode(store);
  const id = await writer.createSession(spec);
  await writer.kvPut("k", Buffer.from("1"), { acquire: id });
  let txns = 0;
  const dying = await server(
    gated(store, {
      beforeTxn: async ({ success }) => {
        const isWrite = success.some(({ op }) => op === "put" || op === "delete");
        if (isWrite && ++txns > 1) throw new Error("killed");
      },
    }),
  );
  await expect(dying.writer.endSession(id)).rejects.toThrow("killed");
  await registry.barrier();
  expect(registry.kv("k")?.session).toBe(id);
  const failures: unknown[] = [];
  const keeper = keepSessions({
    registry,
    writer,
    clock: systemClock,
    onFailure: (e) => failures.push(e),
  });
  onTestFinished(() => keeper.close());
  await moved(registry, { kind: "session", id }, registry.indexOf({ kind: "session", id }));
  expect(registry.kv("k")?.session).toBeUndefined();
  expect(failures).toEqual([]);
});
