import { expect, it } from "vitest";
import { ManualClock } from "../clock/index.ts";
import { Election, MemoryStore, type Store } from "./index.ts";

const key = "lock/work";

function setup() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const log: string[] = [];
  const stores = new Map<string, Store>();
  const stand = (name: string, through: Store = store) =>
    new Election({
      store: through,
      key,
      name,
      clock,
      work: (fenced) => {
        stores.set(name, fenced);
        log.push(`${name} begins`);
        return { close: async () => void log.push(`${name} ends`) };
      },
      onFailure: (error) => log.push(`${name}: ${error instanceof Error ? error.message : String(error)}`),
    });
  const put = (name: string) =>
    stores.get(name)?.txn({ success: [{ op: "put", key: "done", value: Buffer.from(name) }] });
  return { clock, store, log, stand, put };
}

/** The same store, of which no keep-alive gets through any more. */
function cutOff(store: Store): { store: Store; cut: () => void } {
  let open = true;
  const keepAlive = (lease: string) => (open ? store.keepAlive(lease) : new Promise<void>(() => undefined));
  const { id } = store;
  return {
    cut: () => {
      open = false;
    },
    store: {
      id,
      range: (prefix, options) => store.range(prefix, options),
      txn: (txn) => store.txn(txn),
      replace: (replacement) => store.replace(replacement),
      watch: (prefix, from, signal) => store.watch(prefix, from, signal),
      grantLease: (ttlMs) => store.grantLease(ttlMs),
      keepAlive,
      revokeLease: () => new Promise(() => undefined),
      close: () => store.close(),
    },
  };
}

it("one of three works, and the next begins as soon as it ends", async () => {
  const { clock, log, stand, put } = setup();
  const [a, b, c] = [stand("a"), stand("b"), stand("c")];
  await clock.advance(60_000);
  expect(log).toEqual(["a begins"]);
  expect([a.leading, b.leading, c.leading]).toEqual([true, false, false]);
  await put("a");
  await a.close();
  await clock.advance(0);
  expect(log.slice(0, 2)).toEqual(["a begins", "a ends"]);
  expect([b.leading, c.leading].filter(Boolean)).toHaveLength(1);
  await b.close();
  await c.close();
  expect(log).toHaveLength(6);
});

it("one that cannot renew ends before another begins", async () => {
  const { clock, store, log, stand } = setup();
  const island = cutOff(store);
  stand("a", island.store);
  await clock.advance(1);
  const b = stand("b");
  await clock.advance(5000);
  island.cut();
  for (let second = 0; second < 20; second++) await clock.advance(1000);
  expect(log).toEqual(["a begins", "a ends", "b begins"]);
  await b.close();
});

it("a write of one who lost the lock without knowing is refused, and nothing of it happens", async () => {
  const { clock, store, log, stand, put } = setup();
  const a = stand("a");
  await clock.advance(1);
  await store.txn({ success: [{ op: "delete", key }] });
  await expect(put("a")).rejects.toMatchObject({ code: "STORE_FENCED" });
  expect((await store.range("done")).items).toEqual([]);
  await clock.advance(0);
  expect(log.slice(0, 3)).toEqual(["a begins", "a ends", "a begins"]);
  await a.close();
});

it("a comparison of the work's own that fails is no lost lock", async () => {
  const { clock, store, stand } = setup();
  let seen: unknown;
  const election = new Election({
    store,
    key,
    name: "a",
    clock,
    onFailure: () => undefined,
    work: (fenced) => {
      seen = fenced.txn({
        compare: [{ key: "missing", exists: true }],
        success: [{ op: "put", key: "never", value: Buffer.of() }],
        failure: [{ op: "get", key }],
      });
      return { close: async () => undefined };
    },
  });
  await clock.advance(1);
  expect(await seen).toMatchObject({ succeeded: false, results: [{ op: "get", item: { key } }] });
  expect(election.leading).toBe(true);
  await election.close();
  expect(stand).toBeDefined();
});
