/**
 * A replacement in etcd whose server dies at any step: no other server ever sees the middle of it, and one of them
 * brings the store to where it was before or to the whole of it.
 */

import { credentials } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import { replacementWrites } from "../../store/core/replacement.ts";
import { Cluster } from "../../store/etcd/cluster.ts";
import { Keyspace } from "../../store/etcd/keyspace.ts";
import { etcdLimits } from "../../store/etcd/limits.ts";
import { Restorer } from "../../store/etcd/restore/restorer.ts";
import type { EtcdStore } from "../../store/index.ts";
import { put, text, write } from "../contract/store-subject.ts";
import { waitFor } from "../lab/command.ts";
import { EtcdCluster } from "../lab/etcd-cluster.ts";

const count = 350;
const restoreStallMs = 400;
const old = Array.from({ length: count }, (_, at) => put(`k/${at}`, "old"));
const replacement = {
  items: Array.from({ length: count }, (_, at) => ({ key: `k/${at}`, value: Buffer.from("new") })),
  replaces: () => true,
};

let etcd: EtcdCluster;
let tests = 0;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  etcd = await EtcdCluster.start({ size: 1 });
});
afterAll(() => etcd?.dispose());
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function openStore(prefix: string, stallMs = restoreStallMs): Promise<EtcdStore> {
  const store = await etcd.open(prefix, { limits: { restoreStallMs: stallMs } });
  open.push(store);
  return store;
}

/** A server that dies: its calls number `lives` and further ones are never made. */
function mortal(prefix: string, lives: number) {
  const cluster = new Cluster({
    addresses: etcd.addresses,
    credentials: credentials.createInsecure(),
    clock: systemClock,
    limits: etcdLimits,
    pendingMax: 10,
  });
  let left = lives;
  const call: Cluster["call"] = (method, message, options) =>
    left-- > 0
      ? cluster.call(method, message, options)
      : Promise.reject(new FabricError("STORE_CLOSED", "the server died"));
  const restorer = new Restorer({
    cluster: { call },
    space: new Keyspace(prefix),
    clock: systemClock,
    stallMs: 60_000,
  });
  open.push({ close: () => cluster.close() });
  return { restorer, died: () => left < 0 };
}

/** Looks at the whole store again and again, and follows its watch. */
class Reader {
  readonly seen = new Set<string>();
  readonly #ending = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(store: EtcdStore, from: number) {
    this.#running = Promise.all([this.#read(store), this.#watch(store, from)]);
  }

  async end(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #read(store: EtcdStore): Promise<void> {
    while (!this.#ending.signal.aborted) {
      try {
        this.#note((await store.range("k/")).items.map((item) => text(item) ?? ""));
      } catch (error) {
        if (!isFabricError(error, "STORE_UNAVAILABLE")) throw error;
      }
    }
  }

  async #watch(store: EtcdStore, from: number): Promise<void> {
    const held = new Map(old.map((_, at) => [`k/${at}`, "old"]));
    for await (const { events } of store.watch("k/", from, this.#ending.signal)) {
      for (const event of events)
        if (event.kind === "put") held.set(event.item.key, text(event.item) ?? "");
        else held.delete(event.key);
      this.#note([...held.values()]);
    }
  }

  #note(values: readonly string[]): void {
    expect(values).toHaveLength(count);
    this.seen.add([...new Set(values)].join(" and "));
  }
}

async function filled(stallMs = restoreStallMs) {
  const prefix = `restore-${tests++}/`;
  const store = await openStore(prefix, stallMs);
  let revision = 0;
  for (let at = 0; at < count; at += 100) ({ revision } = await write(store, ...old.slice(at, at + 100)));
  return { prefix, store, revision };
}

describe("a replacement whose server dies", () => {
  it("at any of its steps is taken back or finished by another server, and never seen half done", async () => {
    const outcomes = new Set<string>();
    for (let lives = 1; ; lives++) {
      const { prefix, store, revision } = await filled();
      const reader = new Reader(store, revision + 1);
      const { restorer, died } = mortal(prefix, lives);
      const plan = async () => replacementWrites((await store.range("")).items, replacement);
      const result = await restorer.replace(plan).catch((error: unknown) => error);
      restorer.close();
      if (!died()) {
        expect(result).toEqual(expect.any(Number));
        await reader.end();
        break;
      }
      await waitFor("the store to take writes again", () =>
        write(store, put("after", "1")).catch((error: unknown) => {
          if (isFabricError(error, "STORE_UNAVAILABLE")) return undefined;
          throw error;
        }),
      );
      const values = new Set((await store.range("k/")).items.map((item) => text(item)));
      expect(values.size).toBe(1);
      outcomes.add([...values].join());
      // What the dead one was told is what happened, or that nobody knows.
      if (isFabricError(result, "STORE_AMBIGUOUS")) expect([...values]).toEqual(["new"]);
      else expect([...values]).toEqual(["old"]);
      await reader.end();
      expect([...reader.seen].filter((each) => each.includes("and"))).toEqual([]);
      const later = await openStore(prefix);
      expect((await later.range("k/")).items).toHaveLength(count);
      await store.close();
    }
    expect([...outcomes].toSorted()).toEqual(["new", "old"]);
  });

  it("that comes back when another one took over writes nothing more", async () => {
    const { prefix, store } = await filled();
    const { restorer } = mortal(prefix, 1000);
    const frozen = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const plan = async () => {
      begun.resolve();
      const writes = replacementWrites((await store.range("")).items, replacement);
      await frozen.promise;
      return writes;
    };
    const result = restorer.replace(plan).catch((error: unknown) => error);
    await begun.promise;
    await waitFor("the marker to be taken away", () =>
      write(store, put("after", "1")).catch(() => undefined),
    );
    frozen.resolve();
    expect(await result).toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(new Set((await store.range("k/")).items.map((item) => text(item)))).toEqual(new Set(["old"]));
    restorer.close();
  });

  it("lets no other server write, and a server that starts meanwhile waits", async () => {
    const { prefix, store } = await filled(600_000);
    const { restorer } = mortal(prefix, 1000);
    const holding = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const running = restorer.replace(async () => {
      begun.resolve();
      await holding.promise;
      return replacementWrites((await store.range("")).items, replacement);
    });
    await begun.promise;
    await expect(write(store, put("x", "1"))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(store.replace(replacement)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    // Reads see what was there.
    expect((await store.range("k/", { limit: 1 })).items.map((item) => text(item))).toEqual(["old"]);
    // Never so slow that it takes the restore for one of a dead server.
    const starting = openStore(prefix, 600_000);
    holding.resolve();
    await running;
    const started = await starting;
    expect((await started.range("k/", { limit: 1 })).items.map((item) => text(item))).toEqual(["new"]);
    await write(store, put("x", "1"));
    restorer.close();
  });
});
