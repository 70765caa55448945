import { describe, expect, onTestFinished, test, vi } from "vitest";
import { parseIp, parseMac } from "../addr/index.ts";
import { ManualClock, systemClock } from "../clock/index.ts";
import { FabricError } from "../errors/index.ts";
import { MemoryStore } from "../store/index.ts";
import { moved } from "../test/fixtures/moved.ts";
import { checkKey, kvKey, liveKey, serviceKey } from "./keys.ts";
import type { CheckRecord, NodeRecord, ServiceRecord } from "./model.ts";
import { Registry } from "./registry.ts";
import { RegistryWriter } from "./registry-writer.ts";
import { transaction } from "./transaction.ts";
import type { Topic } from "./wait/topic.ts";

const web: Topic = { kind: "service", name: "web" };
const bytes = (text: string) => new TextEncoder().encode(text);

function node(name: string, fabric = false, epoch = 1): NodeRecord {
  const identity = {
    zone: "z",
    underlay: [parseIp("192.0.2.1")],
    vtepMac: parseMac("02:00:00:00:00:01"),
    vxlanPort: 4789,
    epoch,
  };
  return {
    name,
    id: `id-${name}`,
    address: parseIp("192.0.2.1"),
    datacenter: "dc1",
    meta: {},
    taggedAddresses: {},
    ...(fabric && { fabric: identity }),
  };
}

function service(nodeName: string, id: string, name = id, tags: readonly string[] = []): ServiceRecord {
  return {
    node: nodeName,
    id,
    name,
    kind: "",
    tags,
    address: "",
    port: 80,
    meta: {},
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    taggedAddresses: {},
  };
}

function check(
  nodeName: string,
  id: string,
  serviceId = "",
  status: CheckRecord["status"] = "passing",
): CheckRecord {
  return {
    node: nodeName,
    id,
    name: id,
    status,
    notes: "",
    output: "",
    serviceId,
    serviceName: serviceId,
    serviceTags: [],
    type: "ttl",
    interval: "",
    timeout: "",
  };
}

async function setup(store = new MemoryStore()) {
  const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
  onTestFinished(() => registry.close());
  return { store, registry, writer: new RegistryWriter({ store, registry, clock: systemClock }) };
}

/** Whether the wait for the topic is still on after everything that is ready has run. */
async function sleeps(registry: Registry, topic: Topic, action: () => Promise<unknown>): Promise<boolean> {
  const leave = new AbortController();
  let woken = false;
  const waiting = moved(registry, topic, registry.indexOf(topic), leave.signal).then(
    () => {
      woken = true;
    },
    () => undefined,
  );
  await action();
  await new Promise((resolve) => setImmediate(resolve));
  leave.abort();
  await waiting;
  return !woken;
}

describe("liveness", () => {
  test("a fabric node is critical until live, passing while live, critical when its lease ends", async () => {
    const { store, registry, writer } = await setup();
    await writer.upsertNode(node("n1", true));
    await writer.registerService(service("n1", "web"));
    const status = () => registry.service("web")[0]?.checks.map(({ id, status: now }) => `${id} ${now}`);
    expect(status()).toEqual(["serfHealth critical"]);
    const lease = await store.grantLease(60_000);
    await writer.setLive("n1", lease.id);
    expect(status()).toEqual(["serfHealth passing"]);
    expect(registry.checksInState("passing")[0]?.output).toBe("Agent alive and reachable");
    const before = registry.indexOf(web);
    await store.revokeLease(lease.id);
    await moved(registry, web, before);
    expect(status()).toEqual(["serfHealth critical"]);
    expect(registry.checksOfNode("n1")[0]?.modifyIndex).toBe(registry.index);
  });

  test("a node outside of the fabric has no such check unless it registers one", async () => {
    const { registry, writer } = await setup();
    await writer.upsertNode(node("n1"));
    expect(registry.checksOfNode("n1")).toEqual([]);
    await writer.registerCheck(check("n1", "serfHealth"));
    expect(registry.checksOfNode("n1").map(({ id }) => id)).toEqual(["serfHealth"]);
  });

  test("a beat that rewrites a live node's key wakes nobody", async () => {
    const { store, registry, writer } = await setup();
    await writer.upsertNode(node("n1", true));
    await writer.registerService(service("n1", "web"));
    await writer.setLive("n1", (await store.grantLease(60_000)).id);
    const again = (await store.grantLease(60_000)).id;
    expect(await sleeps(registry, web, () => writer.setLive("n1", again))).toBe(true);
  });
});

describe("waiting", () => {
  test("a watch wakes for its own service and for nothing else", async () => {
    const { store, registry, writer } = await setup();
    await writer.upsertNode(node("n1", true));
    await writer.upsertNode(node("n2"));
    await writer.registerService(service("n1", "web"));
    await writer.registerService(service("n2", "db"));
    const asleep = (action: () => Promise<unknown>) => sleeps(registry, web, action);
    expect(await asleep(() => writer.registerService(service("n2", "db", "db", ["x"])))).toBe(true);
    expect(await asleep(() => writer.registerCheck(check("n2", "c", "db")))).toBe(true);
    expect(await asleep(() => writer.registerCheck(check("n2", "host")))).toBe(true);
    expect(await asleep(() => writer.kvPut("web", bytes("x")))).toBe(true);
    expect(await asleep(() => writer.upsertNode({ ...node("n2"), meta: { a: "b" } }))).toBe(true);
    expect(await asleep(() => writer.registerService(service("n1", "web")))).toBe(true);
    expect(await asleep(() => writer.registerCheck(check("n1", "c", "web")))).toBe(false);
    expect(await asleep(() => writer.updateCheck("n1", "c", "critical", "down"))).toBe(false);
    expect(await asleep(() => writer.registerCheck(check("n1", "host")))).toBe(false);
    expect(await asleep(() => writer.upsertNode({ ...node("n1", true), meta: { a: "b" } }))).toBe(false);
    expect(await asleep(async () => writer.setLive("n1", (await store.grantLease(60_000)).id))).toBe(false);
    expect(await asleep(() => writer.deregisterService("n1", "web"))).toBe(false);
    expect(registry.service("web")).toEqual([]);
  });

  test("a watch on a key or a prefix wakes for its own keys only", async () => {
    const { registry, writer } = await setup();
    await writer.kvPut("a/1", bytes("1"));
    const prefix: Topic = { kind: "kvPrefix", prefix: "a/" };
    const key: Topic = { kind: "kv", key: "a/1" };
    expect(await sleeps(registry, prefix, () => writer.kvPut("b", bytes("1")))).toBe(true);
    expect(await sleeps(registry, prefix, () => writer.kvPut("a/1", bytes("1")))).toBe(true);
    expect(await sleeps(registry, prefix, () => writer.kvPut("a/2", bytes("1")))).toBe(false);
    expect(await sleeps(registry, key, () => writer.kvPut("a/2", bytes("2")))).toBe(true);
    expect(await sleeps(registry, key, () => writer.kvDelete("a/1"))).toBe(false);
    expect(await sleeps(registry, { kind: "kv", key: "new" }, () => writer.kvPut("new", bytes("2")))).toBe(
      false,
    );
  });

  test("the list of names wakes for names and tags, not for another instance of the same", async () => {
    const { registry, writer } = await setup();
    await writer.upsertNode(node("n1"));
    await writer.registerService(service("n1", "w1", "web", ["a"]));
    const names: Topic = { kind: "services" };
    expect(await sleeps(registry, names, () => writer.registerCheck(check("n1", "c", "w1")))).toBe(true);
    expect(
      await sleeps(registry, names, () =>
        writer.registerService({ ...service("n1", "w1", "web", ["a"]), port: 81 }),
      ),
    ).toBe(true);
    expect(
      await sleeps(registry, names, () => writer.registerService(service("n1", "w1", "web", ["b"]))),
    ).toBe(false);
    expect(registry.serviceNames()).toEqual(new Map([["web", ["b"]]]));
  });

  test("a waiter whose index is ahead sleeps until it is passed", async () => {
    const { registry, writer } = await setup();
    const { revision } = await writer.kvPut("k", bytes("1"));
    let woken = false;
    const waiting = moved(registry, { kind: "kv", key: "k" }, revision + 1).then(() => {
      woken = true;
    });
    await writer.kvPut("k", bytes("2"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(woken).toBe(false);
    await writer.kvPut("k", bytes("3"));
    await waiting;
  });

  test("too many waiters are refused and a leaver makes room", async () => {
    const store = new MemoryStore();
    const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1", waitersMax: 1 });
    onTestFinished(() => registry.close());
    const leave = new AbortController();
    const first = moved(registry, web, registry.index, leave.signal);
    await expect(moved(registry, web, registry.index)).rejects.toMatchObject({ code: "REGISTRY_LIMIT" });
    leave.abort();
    await expect(first).rejects.toBe(leave.signal.reason);
    expect(registry.status().waiters).toBe(0);
  });

  test("close() rejects whoever waits", async () => {
    const { registry } = await setup();
    const topic = moved(registry, web, registry.index);
    const revision = registry.applied(1000);
    await Promise.all([
      expect(topic).rejects.toMatchObject({ code: "REGISTRY_CLOSED" }),
      expect(revision).rejects.toMatchObject({ code: "REGISTRY_CLOSED" }),
      registry.close(),
    ]);
  });
});

describe("indexes", () => {
  test("the index of a prefix does not go back when its newest key is deleted", async () => {
    const { registry, writer } = await setup();
    await writer.kvPut("a/1", bytes("1"));
    await writer.kvPut("a/2", bytes("1"));
    const prefix: Topic = { kind: "kvPrefix", prefix: "a/" };
    const { revision } = await writer.kvDelete("a/2");
    expect(registry.indexOf(prefix)).toBe(revision);
    expect(registry.indexOf({ kind: "kv", key: "a/1" })).toBeLessThan(revision);
    expect(registry.indexOf({ kind: "kvPrefix", prefix: "b/" })).toBeLessThan(revision);
  });

  test("a service's index survives its last instance", async () => {
    const { registry, writer } = await setup();
    await writer.upsertNode(node("n1"));
    await writer.registerService(service("n1", "web"));
    const { revision } = await writer.deregisterService("n1", "web");
    expect(registry.indexOf(web)).toBe(revision);
  });

  test("a fresh registry never answers an index below 1 and follows the store's revisions", async () => {
    const { registry, writer } = await setup();
    expect(registry.indexOf(web)).toBeGreaterThanOrEqual(1);
    const { revision } = await writer.kvPut("k", bytes("v"));
    expect(registry.kv("k")).toMatchObject({ createIndex: revision, modifyIndex: revision });
    expect(registry.index).toBe(revision);
  });
});

describe("one service or check of a node", () => {
  test("is what the whole list has of that id", async () => {
    const { registry, writer } = await setup();
    await writer.upsertNode(node("n1", true));
    await writer.upsertNode(node("outside"));
    for (const name of ["n1", "outside"]) {
      await writer.registerService(service(name, "web"), [check(name, "service:web", "web")]);
      await writer.registerCheck(check(name, "serfHealth", ""));
      for (const one of registry.servicesOfNode(name)) expect(registry.serviceOfNode(name, one.id)).toBe(one);
      for (const one of registry.checksOfNode(name)) expect(registry.checkOfNode(name, one.id)).toBe(one);
    }
    expect(registry.serviceOfNode("n1", "absent")).toBeUndefined();
    expect(registry.checkOfNode("n1", "absent")).toBeUndefined();
    expect(registry.checkOfNode("absent", "serfHealth")).toBeUndefined();
  });
});

describe("syncNode()", () => {
  test("a full sync writes the difference and removes what the agent does not know", async () => {
    const { registry, writer } = await setup();
    await writer.upsertNode(node("n1", true, 3));
    await writer.registerService(service("n1", "old"), [check("n1", "service:old", "old")]);
    const sync = {
      full: true,
      services: [service("n1", "web")],
      checks: [check("n1", "service:web", "web")],
    };
    expect(await writer.syncNode("n1", 3, sync)).toMatchObject({ changed: true });
    expect(registry.servicesOfNode("n1").map(({ id }) => id)).toEqual(["web"]);
    expect(registry.checksOfNode("n1").map(({ id }) => id)).toEqual(["serfHealth", "service:web"]);
    const index = registry.index;
    expect(await writer.syncNode("n1", 3, sync)).toEqual({ changed: false, revision: index });
    expect(registry.index).toBe(index);
  });

  test("a delta touches what it lists; larger ones go in several transactions", async () => {
    const { registry, writer } = await setup();
    await writer.upsertNode(node("n1", true));
    const services = Array.from({ length: 150 }, (_, at) => service("n1", `s${at}`));
    await writer.syncNode("n1", 1, { full: false, services, checks: [] });
    expect(registry.servicesOfNode("n1")).toHaveLength(150);
    await writer.syncNode("n1", 1, {
      full: false,
      services: [],
      checks: [],
      removedServices: ["s0", "absent"],
    });
    expect(registry.servicesOfNode("n1")).toHaveLength(149);
  });

  test("a delta costs what it lists, whatever else the node has", async () => {
    const { registry, writer } = await setup();
    await writer.upsertNode(node("n1", true));
    const services = Array.from({ length: 50 }, (_, at) => service("n1", `s${at}`));
    const checks = services.map(({ id }) => check("n1", `service:${id}`, id));
    await writer.syncNode("n1", 1, { full: false, services, checks });
    const listed = [vi.spyOn(registry, "servicesOfNode"), vi.spyOn(registry, "checksOfNode")];
    const moves = { services: [service("n1", "s7", "renamed")], checks: [check("n1", "service:s7", "s7")] };
    expect(await writer.syncNode("n1", 1, { full: false, ...moves })).toMatchObject({ changed: true });
    expect(await writer.syncNode("n1", 1, { full: false, ...moves })).toMatchObject({ changed: false });
    for (const spy of listed) expect(spy).not.toHaveBeenCalled();
    expect(registry.serviceOfNode("N1", "s7")).toMatchObject({ name: "renamed" });
  });

  test("an agent of an earlier term and an unknown node are refused", async () => {
    const { writer } = await setup();
    const sync = { full: false, services: [service("n1", "web")], checks: [] };
    await expect(writer.syncNode("n1", 1, sync)).rejects.toMatchObject({ code: "REGISTRY_NODE_NOT_FOUND" });
    await writer.upsertNode(node("n1", true, 2));
    await expect(writer.syncNode("n1", 1, sync)).rejects.toMatchObject({ code: "REGISTRY_STALE_EPOCH" });
    await expect(writer.upsertNode(node("n1", true, 1))).rejects.toMatchObject({
      code: "REGISTRY_STALE_EPOCH",
    });
  });
});

describe("following the store", () => {
  test("a write is answered when its own registry has it, however late the watch", async () => {
    const store = new MemoryStore();
    const watch = store.watch.bind(store);
    store.watch = async function* (...args) {
      for await (const batch of watch(...args)) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        yield batch;
      }
    };
    const { registry, writer } = await setup(store);
    await writer.kvPut("k", bytes("1"));
    expect(registry.kv("k")).toBeDefined();
    await store.txn(
      transaction([], [{ op: "put", key: kvKey("other"), value: new Uint8Array(18).fill(1, 0, 1) }]),
    );
    expect(registry.kv("other")).toBeUndefined();
    await registry.barrier();
    expect(registry.kv("other")).toBeDefined();
  });

  test("a store that fails is left and found again, and the contact says so", async () => {
    const store = new MemoryStore();
    const clock = new ManualClock();
    const watch = store.watch.bind(store);
    let broken = true;
    store.watch = (...args) => {
      if (broken) throw new FabricError("STORE_UNAVAILABLE", "down");
      return watch(...args);
    };
    const registry = await Registry.open({ store, clock, datacenter: "dc1" });
    onTestFinished(() => registry.close());
    await clock.advance(50);
    await store.txn(
      transaction([], [{ op: "put", key: kvKey("k"), value: new Uint8Array(18).fill(1, 0, 1) }]),
    );
    expect(registry.contact().following).toBe(false);
    expect(registry.contact().lastContactMs).toBeGreaterThan(0);
    broken = false;
    await clock.advance(5000);
    expect(registry.contact()).toEqual({ following: true, lastContactMs: 0 });
    expect(registry.kv("k")).toBeDefined();
  });

  test("a registry opened later holds the same", async () => {
    const { store, registry, writer } = await setup();
    await writer.upsertNode(node("n1", true));
    await writer.registerService(service("n1", "a/b", "web"), [check("n1", "service:a/b", "a/b")]);
    await writer.kvPut("x/ç", bytes("1"), { flags: 2n ** 64n - 1n });
    const { registry: later } = await setup(store);
    expect(later.service("web")).toEqual(registry.service("web"));
    expect(later.kv("x/ç")).toEqual(registry.kv("x/ç"));
    expect(later.kv("x/ç")?.flags).toBe(2n ** 64n - 1n);
  });

  test("after compaction it loads again, and says what went away meanwhile", async () => {
    const store = new MemoryStore({ limits: { historyEventsMax: 3 } });
    const { registry, writer } = await setup(store);
    await writer.upsertNode(node("n1", true));
    await writer.registerService(service("n1", "web"));
    await writer.kvPut("gone", bytes("1"));
    const before = registry.indexOf(web);
    const woken = moved(registry, web, before);
    // One synchronous burst: the registry's watch falls off the history before it can read any of it.
    const burst = [
      store.txn(transaction([], [{ op: "delete", key: serviceKey("n1", "web") }])),
      store.txn(transaction([], [{ op: "delete", key: kvKey("gone") }])),
      ...Array.from({ length: 10 }, (_, at) =>
        store.txn(transaction([], [{ op: "put", key: kvKey(`new${at}`), value: new Uint8Array(0) }])),
      ),
    ];
    await Promise.all(burst);
    await woken;
    expect(registry.service("web")).toEqual([]);
    expect(registry.kv("gone")).toBeUndefined();
    expect(registry.indexOf({ kind: "kv", key: "gone" })).toBeGreaterThan(before);
  });

  test("a damaged record counts and is absent, everything else stays", async () => {
    const { store, registry, writer } = await setup();
    await writer.upsertNode(node("n1"));
    await writer.registerService(service("n1", "web"));
    const { revision } = await store.txn(
      transaction(
        [],
        [
          { op: "put", key: serviceKey("n1", "web"), value: bytes("{") },
          { op: "put", key: serviceKey("n1", "db"), value: bytes('{"port":"x"}') },
          { op: "put", key: checkKey("n1", "c"), value: new Uint8Array([0xff]) },
          { op: "put", key: kvKey("k"), value: bytes("?") },
          { op: "put", key: "catalog/nodes/%zz", value: bytes("{}") },
          { op: "put", key: liveKey("unknown"), value: new Uint8Array(0) },
        ],
      ),
    );
    await registry.applied(revision);
    expect(registry.status()).toMatchObject({ damaged: 4, services: 0, checks: 0, keys: 0, nodes: 1 });
    expect(registry.service("web")).toEqual([]);
  });

  test("names of nodes and services are found in any case, nodes also by id", async () => {
    const { registry, writer } = await setup();
    await writer.upsertNode(node("Node1"));
    await writer.registerService(service("Node1", "w", "Web"));
    expect(registry.service("wEB")[0]?.service.name).toBe("Web");
    expect(registry.node("node1")?.name).toBe("Node1");
    expect(registry.node("id-Node1")?.name).toBe("Node1");
    expect([...registry.serviceNames().keys()]).toEqual(["Web"]);
  });

  test("addresses lead back to nodes and instances", async () => {
    const { registry, writer } = await setup();
    await writer.upsertNode(node("n1"));
    await writer.registerService({ ...service("n1", "web"), address: "10.0.0.1" });
    const ip = parseIp("10.0.0.1");
    expect(registry.atAddress(ip).services.map(({ service: { id } }) => id)).toEqual(["web"]);
    expect(registry.atAddress(parseIp("192.0.2.1")).nodes.map(({ name }) => name)).toEqual(["n1"]);
    expect(await sleeps(registry, { kind: "address", ip }, () => writer.deregisterService("n1", "web"))).toBe(
      false,
    );
    expect(registry.atAddress(ip)).toEqual({ nodes: [], services: [] });
  });
});
