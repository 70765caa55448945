/** Keys that go by themselves: when, how it is told, and that nothing is left of their leases. */
import { describe, expect, it, onTestFinished } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { MemoryStore, type Store } from "../../store/index.ts";
import { changePath } from "../change/change.ts";
import { Registry } from "../registry.ts";
import { RegistryWriter } from "../registry-writer.ts";
import { keepKeyTimes } from "./kv-keeper.ts";

async function open(clock: ManualClock, store: Store) {
  const registry = await Registry.open({ store, clock, datacenter: "dc1" });
  const writer = new RegistryWriter({ store, registry, clock });
  const failures: unknown[] = [];
  const keeper = keepKeyTimes({ registry, writer, clock, onFailure: (error) => failures.push(error) });
  const close = async () => {
    await keeper.close();
    await registry.close();
  };
  onTestFinished(close);
  return { registry, writer, failures, close };
}

function start() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  return { clock, store };
}

const settled = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};
const value = Buffer.from("v");
const marks = async (store: Store) => (await store.range("kv-ttl/")).items.length;

describe("a key with a TTL", () => {
  it("is there until its time is over, then expires for streams and for blocking queries", async () => {
    const { clock, store } = start();
    const { registry, writer } = await open(clock, store);
    const { revision } = await writer.kvPut("a", value, { ttlMs: 5000 });
    expect(registry.kv("a")).toMatchObject({ ttlMs: 5000 });
    const cursor = registry.changesAfter(changePath.kv("a"), { revision });
    await clock.advance(4999);
    expect(registry.kv("a")).toBeDefined();
    await clock.advance(1);
    await settled(() => registry.kv("a") === undefined);
    expect(registry.indexOf({ kind: "kv", key: "a" })).toBeGreaterThan(revision);
    expect(cursor.take()?.changes).toMatchObject([{ action: "expire", subject: { entry: { key: "a" } } }]);
    expect(await marks(store)).toBe(0);
  });

  it("is renewed by the same write without a revision, and anew by another value", async () => {
    const { clock, store } = start();
    const { registry, writer } = await open(clock, store);
    await writer.kvPut("a", value, { ttlMs: 5000 });
    const { index } = registry;
    await clock.advance(3000);
    expect(await writer.kvPut("a", value, { ttlMs: 5000 })).toMatchObject({ succeeded: true });
    expect(registry.index).toBe(index);
    await clock.advance(3000);
    await writer.kvPut("a", Buffer.from("w"), { ttlMs: 5000 });
    await clock.advance(3000);
    expect(registry.kv("a")?.value).toEqual(new Uint8Array(Buffer.from("w")));
    await clock.advance(2001);
    await settled(() => registry.kv("a") === undefined);
  });

  it.each([
    ["written without one", (writer: RegistryWriter) => writer.kvPut("a", value), true],
    ["deleted", (writer: RegistryWriter) => writer.kvDelete("a"), false],
    ["deleted with its tree", (writer: RegistryWriter) => writer.kvDeleteTree(""), false],
    ["given another", (writer: RegistryWriter) => writer.kvPut("a", value, { ttlMs: 3_600_000 }), true],
  ])("that is %s lets go of its lease, and is told as that", async (_, write, stays) => {
    const { clock, store } = start();
    const { registry, writer } = await open(clock, store);
    const { revision } = await writer.kvPut("a", value, { ttlMs: 5000 });
    const cursor = registry.changesAfter(changePath.kv(""), { revision });
    const [first] = registry.keyLeases();
    await write(writer);
    expect(cursor.take()?.changes).toMatchObject([{ action: stays ? "modify" : "delete" }]);
    await settled(() => ![...registry.keyLeases()].includes(first ?? ""));
    await expect(store.keepAlive(first ?? "")).rejects.toMatchObject({ code: "STORE_LEASE_NOT_FOUND" });
    await clock.advance(6000);
    expect(registry.kv("a") !== undefined).toBe(stays);
  });

  it("expires although no server ran when its time was over", async () => {
    const { clock, store } = start();
    const first = await open(clock, store);
    await first.writer.kvPut("a", value, { ttlMs: 5000 });
    await first.writer.kvPut("b", value, { ttlMs: 3_600_000 });
    await first.writer.kvPut("c", value);
    await first.close();
    await clock.advance(10_000);
    const { registry } = await open(clock, store);
    await settled(() => registry.kv("a") === undefined);
    expect(registry.kvKeys("")).toEqual(["b", "c"]);
  });

  it("that several servers keep expires once, and is written again in peace", async () => {
    const { clock, store } = start();
    const [one, other] = [await open(clock, store), await open(clock, store)];
    await one.writer.kvPut("a", value, { ttlMs: 5000 });
    await clock.advance(5000);
    await settled(() => one.registry.kv("a") === undefined);
    await other.writer.kvPut("a", value, { ttlMs: 5000 });
    await clock.advance(4000);
    expect(other.registry.kv("a")).toBeDefined();
    expect([...one.failures, ...other.failures]).toEqual([]);
  });

  it("that was not written costs no lease", async () => {
    const { clock, store } = start();
    const { writer } = await open(clock, store);
    await writer.kvPut("a", value);
    let leases = 0;
    const grant = store.grantLease.bind(store);
    const revoke = store.revokeLease.bind(store);
    store.grantLease = (ttlMs) => grant(ttlMs).finally(() => leases++);
    store.revokeLease = (lease) => revoke(lease).finally(() => leases--);
    expect(await writer.kvPut("a", value, { ttlMs: 5000, cas: 0 })).toMatchObject({ succeeded: false });
    expect(leases).toBe(0);
  });

  it.each([999, 8 * 24 * 3_600_000])("has a TTL that is not %i ms", async (ttlMs) => {
    const { clock, store } = start();
    const { writer } = await open(clock, store);
    await expect(writer.kvPut("a", value, { ttlMs })).rejects.toMatchObject({ code: "REGISTRY_INVALID" });
  });
});
