/**
 * Stores over Consul's HTTP API, ours, while it is killed and started again, and while several servers write: what was
 * acknowledged stays, the watches of all of them tell the same, and a server that was away for longer than the log
 * catches up by a snapshot.
 */
import { afterEach, beforeEach, expect, it } from "vitest";
import { isFabricError } from "../../errors/index.ts";
import { ConsulApi } from "../../store/consul/consul-api.ts";
import { ConsulStore, type ConsulStoreOptions } from "../../store/consul/consul-store.ts";
import { encodeEntry } from "../../store/consul/log-entry.ts";
import { LogKeys } from "../../store/consul/log-keys.ts";
import { Replica } from "../../store/consul/replica.ts";
import { restoreState } from "../../store/core/state.ts";
import { WatchHub } from "../../store/core/watch-hub.ts";
import { consulLimits, defaultStoreLimits, type WatchBatch } from "../../store/index.ts";
import { keys, put, text, write } from "../contract/store-subject.ts";
import { waitFor } from "../lab/command.ts";
import { type ConsulApiServer, consulApiServer } from "../lab/consul-api-server.ts";

let server: ConsulApiServer;
let prefix = "";
let runs = 0;
const stores: ConsulStore[] = [];

beforeEach(async () => {
  server = await consulApiServer();
  prefix = `chaos-${process.pid}-${runs++}/`;
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await server?.client.kv.del({ key: prefix, recurse: true }).catch(() => undefined);
  await server?.dispose();
});

async function open(consulLimits: ConsulStoreOptions["consulLimits"] = {}): Promise<ConsulStore> {
  const store = await ConsulStore.open({ addresses: [server.address], prefix, consulLimits });
  stores.push(store);
  return store;
}

/** Follows as the registry does, until the key "end" was put. */
async function follow(store: ConsulStore): Promise<WatchBatch[]> {
  const seen: WatchBatch[] = [];
  for (;;) {
    try {
      for await (const batch of store.watch(
        "",
        (seen.at(-1)?.revision ?? 1) + 1,
        new AbortController().signal,
      )) {
        seen.push(batch);
        if (batch.events.some((event) => event.kind === "put" && event.item.key === "end")) return seen;
      }
    } catch (error) {
      if (!isFabricError(error, "STORE_UNAVAILABLE")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

it("three servers that write at once agree on one order, and lose no increment", async () => {
  const servers = [await open(), await open(), await open()];
  const watches = servers.map(follow);
  const increment = async (store: ConsulStore): Promise<void> => {
    for (;;) {
      const [item] = (await store.range("n")).items;
      const { succeeded } = await store.txn({
        compare: [{ key: "n", modRevision: item?.modRevision ?? 0 }],
        success: [put("n", `${Number(text(item) ?? 0) + 1}`)],
      });
      if (succeeded) return;
    }
  };
  await Promise.all(servers.flatMap((store) => Array.from({ length: 5 }, () => increment(store))));
  await write(servers[0] as ConsulStore, put("end", ""));
  const [first, ...others] = await Promise.all(watches);
  expect(first?.length).toBe(16);
  for (const seen of others) expect(seen).toEqual(first);
  expect(text((await (servers[2] as ConsulStore).range("n")).items[0])).toBe("15");
});

it("what was acknowledged survives kills of the API's server; what is ambiguous is told", async () => {
  const store = await open();
  const watching = follow(store);
  const acknowledged: string[] = [];
  const unsure = new Set<string>();
  let stop = false;
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let index = 0; !stop; index++) {
      const key = `n/${writer}/${index}`;
      try {
        await write(store, put(key, "1"));
        acknowledged.push(key);
      } catch (error) {
        if (isFabricError(error, "STORE_AMBIGUOUS")) unsure.add(key);
        else if (!isFabricError(error, "STORE_UNAVAILABLE")) throw error;
      }
    }
  });
  for (let round = 0; round < 3; round++) {
    const enough = acknowledged.length + 100;
    await waitFor("writes", () => acknowledged.length >= enough || undefined);
    await server.restart?.();
  }
  stop = true;
  await Promise.all(writers);
  await write(store, put("end", ""));
  const there = new Set(await keys(store, "n/"));
  expect(acknowledged.filter((key) => !there.has(key))).toEqual([]);
  expect([...there].filter((key) => !acknowledged.includes(key) && !unsure.has(key))).toEqual([]);
  const told = (await watching).flatMap(({ events }) =>
    events.map((event) => event.kind === "put" && event.item.key),
  );
  expect(told.toSorted()).toEqual([...there, "end"].toSorted());
});

it("a lease ends once within 3 s of its time, whoever renewed it, and never within its time of a renewal", async () => {
  const servers = [await open(), await open(), await open()] as const;
  const ttlMs = 2000;
  const ends = follow(servers[2]).then((seen) =>
    seen.flatMap(({ events }) => events.filter((event) => event.kind === "delete").map(({ key }) => key)),
  );
  const lives = Array.from({ length: 12 }, async (_, index) => {
    const { id } = await servers[0].grantLease(ttlMs);
    await write(servers[0], put(`l/${index}`, "", id));
    let renewedAtMs = performance.now();
    // By another server each time, later and later, until it is too late.
    for (let beat = 0; ; beat++) {
      await new Promise((resolve) => setTimeout(resolve, ttlMs * (0.6 + 0.15 * beat + 0.01 * index)));
      const sentAtMs = performance.now();
      try {
        await (servers[(beat + 1) % 3] as ConsulStore).keepAlive(id);
      } catch (error) {
        if (!isFabricError(error, "STORE_LEASE_NOT_FOUND")) throw error;
        return { renewedAtMs, refusedAtMs: sentAtMs };
      }
      expect(await keys(servers[0], `l/${index}`)).toContain(`l/${index}`);
      renewedAtMs = sentAtMs;
    }
  });
  for (const { renewedAtMs, refusedAtMs } of await Promise.all(lives))
    expect(refusedAtMs - renewedAtMs).toBeGreaterThan(ttlMs);
  await waitFor(
    "all leases to end",
    async () => (await keys(servers[1], "l/")).length === 0 || undefined,
    ttlMs + 3000,
  );
  await write(servers[0], put("end", ""));
  expect((await ends).toSorted()).toEqual(Array.from({ length: 12 }, (_, index) => `l/${index}`).toSorted());
});

it("an entry under a number that was trimmed is refused, and the one who lags loads the snapshot", async () => {
  const store = await open({ snapshotEntries: 20 });
  const limits = { ...consulLimits, snapshotEntries: 1e9 };
  const api = new ConsulApi({ addresses: [server.address] }, limits);
  const logKeys = new LogKeys(prefix);
  const held = { seq: 0, state: restoreState(1, [], []) };
  let jumps = 0;
  const hub = new WatchHub(defaultStoreLimits, 1, true);
  const onJump = () => void jumps++;
  const lagging = new Replica({ api, keys: logKeys, hub, onEntry: () => undefined, onJump }, held);
  // A second snapshot lets go of what the first one held.
  for (
    let index = 0;
    index % 10 > 0 || (await api.get(logKeys.entry(1))) !== undefined || index === 0;
    index++
  )
    await write(store, put(`k/${index % 10}`, `${index}`));
  const guard = { key: logKeys.snapshotHead, index: lagging.headIndex };
  expect(await api.createGuarded(logKeys.entry(1), encodeEntry("late", []), guard)).toBe(false);
  await lagging.catchUp();
  expect(jumps).toBe(1);
  expect(lagging.held.state.items.prefix("")).toEqual((await store.range("")).items);
  const missed = hub.watch("", 2, new AbortController().signal)[Symbol.asyncIterator]().next();
  await expect(missed).rejects.toMatchObject({ code: "STORE_COMPACTED" });
  api.close();
});

it("a new server starts from the snapshot and the entries behind it", async () => {
  const store = await open({ snapshotEntries: 10 });
  const lease = await store.grantLease(10_000);
  for (let index = 0; index < 35; index++) await write(store, put(`k/${index}`, `${index} – ü`, lease.id));
  await waitFor("a snapshot", () =>
    server.client.kv.get(`${prefix}snapshot/head`).then((row) => row ?? undefined),
  );
  const other = await open();
  expect(await other.range("")).toEqual(await store.range(""));
  expect(other.id).toBe(store.id);
  await other.revokeLease(lease.id);
  expect(await keys(store)).toEqual([]);
});

it.each([
  ["keys of somebody else", "stranger", "1", "STORE_CORRUPT"],
  ["a damaged record", "store", "{", "STORE_CORRUPT"],
  ["a record of a newer version", "store", '{"format":99}', "STORE_SCHEMA_NEWER"],
])("does not open over %s", async (_, key, value, code) => {
  await server.client.kv.set(`${prefix}${key}`, value);
  await expect(open()).rejects.toMatchObject({ code });
});

it("tells that the log is damaged instead of passing over it", async () => {
  const store = await open();
  await server.client.kv.set(`${prefix}log/${"1".padStart(16, "0")}`, "garbage");
  await expect(store.range("")).rejects.toMatchObject({ code: "STORE_CORRUPT" });
});
