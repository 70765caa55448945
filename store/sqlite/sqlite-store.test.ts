import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import type { StoreOptions } from "../core/options.ts";
import type { Operation, TxnResult, WatchBatch } from "../store.ts";
import { SqliteStore } from "./sqlite-store.ts";

let directory: string;
let path: string;
const opened: SqliteStore[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "heddle-store-"));
  path = join(directory, "data", "store.db");
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  rmSync(directory, { recursive: true });
});

async function open(options?: StoreOptions): Promise<SqliteStore> {
  const store = await SqliteStore.open(path, options);
  opened.push(store);
  return store;
}

function put(
  store: SqliteStore,
  key: string,
  value: string | Uint8Array,
  lease?: string,
): Promise<TxnResult> {
  const operation: Operation = { op: "put", key, value: Buffer.from(value), ...(lease ? { lease } : {}) };
  return store.txn({ success: [operation] });
}

async function keys(store: SqliteStore): Promise<string[]> {
  return (await store.range("")).items.map((item) => item.key);
}

function mode(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

describe("the file", () => {
  it("runs with a write-ahead log, fsync of every commit and an exclusive lock", async () => {
    expect((await open()).durability).toEqual({
      journalMode: "wal",
      synchronous: 2,
      lockingMode: "exclusive",
    });
  });

  it("is for its owner only, log and directory too, also when it was not before", async () => {
    const store = await open();
    expect([mode(join(directory, "data")), mode(path), mode(`${path}-wal`)]).toEqual(["700", "600", "600"]);
    await store.close();
    chmodSync(path, 0o644);
    await open();
    expect([mode(path), mode(`${path}-wal`)]).toEqual(["600", "600"]);
  });

  it("is held by one opener: the next is told so, in this process and in another", async () => {
    const store = await open();
    await expect(SqliteStore.open(path)).rejects.toMatchObject({ code: "STORE_LOCKED" });
    // The refused opener must not have dropped this process's locks (fcntl(2) does when any handle closes).
    const script = `
      const { SqliteStore } = await import(${JSON.stringify(new URL("./sqlite-store.ts", import.meta.url))});
      const error = await SqliteStore.open(${JSON.stringify(path)}).catch((error) => error);
      console.log(error.code);`;
    const other = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(other.stdout.trim()).toBe("STORE_LOCKED");
    await put(store, "k", "still ours");
    await store.close();
    expect(await keys(await open())).toEqual(["k"]);
  });

  it("is refused when it is no database", async () => {
    await (await open()).close();
    writeFileSync(path, "not a database, but long enough to be taken for one".repeat(100));
    await expect(open()).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("backup"),
    });
  });

  it("is refused when it is damaged anywhere in its pages", async () => {
    const store = await open();
    for (let index = 0; index < 200; index++) await put(store, `k${index}`, "x".repeat(500));
    await store.close();
    const whole = readFileSync(path);
    const pageBytes = 4096;
    for (let page = 1; page < whole.length / pageBytes; page += 5) {
      writeFileSync(path, Buffer.from(whole).fill(0x5a, page * pageBytes, page * pageBytes + 64));
      await expect(open(), `page ${page} of ${whole.length / pageBytes}`).rejects.toMatchObject({
        code: "STORE_CORRUPT",
      });
    }
    writeFileSync(path, whole.subarray(0, whole.length / 2));
    await expect(open()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });

  it("is refused unchanged when another program made it", async () => {
    await (await open()).close();
    rmSync(path);
    const foreign = new DatabaseSync(path);
    foreign.exec("CREATE TABLE theirs (x)");
    foreign.close();
    const before = readFileSync(path);
    await expect(open()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    expect(readFileSync(path)).toEqual(before);
  });

  it("is refused when a newer version wrote it", async () => {
    await (await open()).close();
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 2");
    newer.close();
    await expect(open()).rejects.toMatchObject({
      code: "STORE_SCHEMA_NEWER",
      details: { version: 2, known: 1 },
    });
  });

  it("is refused when its revision went back", async () => {
    const store = await open();
    await put(store, "k", "");
    await store.close();
    const edited = new DatabaseSync(path);
    edited.exec("UPDATE store SET revision = 1");
    edited.close();
    await expect(open()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });

  it("that cannot be made says why", async () => {
    const file = join(directory, "file");
    writeFileSync(file, "");
    await expect(SqliteStore.open(join(file, "store.db"))).rejects.toMatchObject({
      code: "FILES_DIRECTORY_FAILED",
    });
    await expect(SqliteStore.open(directory)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it("copied with its log while it is in use opens as it was: what kill -9 leaves behind", async () => {
    const store = await open();
    for (let index = 0; index < 50; index++) await put(store, `k${index}`, "v");
    const copy = join(directory, "copy.db");
    copyFileSync(path, copy);
    copyFileSync(`${path}-wal`, `${copy}-wal`);
    const before = await store.range("");
    const restored = await SqliteStore.open(copy);
    opened.push(restored);
    expect(await restored.range("")).toEqual(before);
  });
});

describe("a read", () => {
  it("sees nothing that is not on the disk yet", async () => {
    const store = await open();
    const read = () => store.txn({ success: [{ op: "range", prefix: "" }] });
    const writing = put(store, "k", "1");
    const [ranged, transacted] = [await keys(store), await read()];
    expect([ranged, transacted.results]).toEqual([[], [{ op: "range", items: [] }]]);
    await writing;
    expect(await keys(store)).toEqual(["k"]);
  });
});

describe("after a restart", () => {
  it("id, revision and items go on", async () => {
    const store = await open();
    await put(store, "a", "1");
    await put(store, "a", "2");
    await store.txn({ success: [{ op: "delete", key: "a" }] });
    await put(store, "b", "");
    const before = await store.range("");
    await store.close();
    const again = await open();
    expect([again.id, await again.range("")]).toEqual([store.id, before]);
    expect((await put(again, "c", "")).revision).toBe(before.revision + 1);
  });

  it("with less room than is taken it may shrink, not grow", async () => {
    const store = await open();
    await put(store, "a", "12345678");
    await put(store, "b", "12345678");
    await store.close();
    const again = await open({ limits: { totalBytesMax: 10 } });
    await expect(put(again, "c", "1")).rejects.toMatchObject({ code: "STORE_LIMIT" });
    await put(again, "a", "1234");
    expect(await keys(again)).toEqual(["a", "b"]);
  });

  it("a watch from before is told to range again; one from now on goes on", async () => {
    const store = await open();
    const { revision } = await put(store, "a", "1");
    await store.close();
    const again = await open();
    const watch = (from: number) =>
      again.watch("", from, new AbortController().signal)[Symbol.asyncIterator]();
    await expect(watch(revision).next()).rejects.toMatchObject({ code: "STORE_COMPACTED" });
    const next = watch(revision + 1).next();
    await put(again, "b", "1");
    expect((await next).value).toMatchObject({ revision: revision + 1 });
  });

  it("a lease has its full time again, takes its keys along, and stays gone once it ended", async () => {
    const clock = new ManualClock();
    const store = await open({ clock });
    const { id } = await store.grantLease(1000);
    const revoked = await store.grantLease(1000);
    await put(store, "k", "", id);
    await store.revokeLease(revoked.id);
    await clock.advance(900);
    await store.close();

    const again = await open({ clock });
    await expect(again.keepAlive(revoked.id)).rejects.toMatchObject({ code: "STORE_LEASE_NOT_FOUND" });
    await clock.advance(999);
    expect(await keys(again)).toEqual(["k"]);
    const ended = again.watch("", (await again.range("")).revision + 1, new AbortController().signal);
    await clock.advance(1);
    for await (const batch of ended) {
      expect(batch.events).toMatchObject([{ kind: "delete", key: "k" }]);
      break;
    }
    await again.close();
    expect(await keys(await open({ clock }))).toEqual([]);
  });
});

describe("a full disk", () => {
  const limits = { fileBytesMax: 40 * 4096, txnBytesMax: 1024 * 1024 };
  const big = new Uint8Array(300_000).fill(1);

  it("undoes the transaction, says so, and lets later ones succeed", async () => {
    const store = await open({ limits });
    await put(store, "small", "1");
    const before = await store.range("");
    const writes = await Promise.allSettled([
      put(store, "a", "1"),
      put(store, "big", big),
      put(store, "b", "1"),
    ]);
    expect(writes.map((write) => write.status)).toEqual(["rejected", "rejected", "rejected"]);
    await expect(put(store, "big", big)).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("nothing was written"),
    });
    expect(await store.range("")).toEqual(before);
    expect((await put(store, "after", "1")).revision).toBe(before.revision + 1);
    const last = await store.range("");
    await store.close();
    expect(await (await open({ limits })).range("")).toEqual(last);
  });

  it("shows watches nothing of what was undone", async () => {
    const store = await open({ limits });
    const next = store.watch("", 2, new AbortController().signal)[Symbol.asyncIterator]().next();
    await expect(put(store, "big", big)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await put(store, "after", "1");
    expect((await next).value).toMatchObject({
      revision: 2,
      events: [{ kind: "put", item: { key: "after" } }],
    });
  });

  it("keeps a lease that could not be revoked", async () => {
    const clock = new ManualClock();
    const store = await open({ limits, clock });
    const { id } = await store.grantLease(1000);
    await put(store, "k", "", id);
    const [write, revoke] = await Promise.allSettled([put(store, "big", big), store.revokeLease(id)]);
    expect([write?.status, revoke?.status]).toEqual(["rejected", "rejected"]);
    await store.keepAlive(id);
    expect(await keys(store)).toEqual(["k"]);
  });
});

describe("a replacement", () => {
  const item = (at: number) => ({ key: `new/${String(at).padStart(6, "0")}`, value: Buffer.from(`${at}`) });

  it("larger than any transaction is one revision, keeps what stays, and survives", async () => {
    const store = await open();
    await put(store, "old/a", "1");
    await put(store, "keep/a", "1");
    const { revision } = await put(store, "new/000001", "1");
    const items = Array.from({ length: 30_000 }, (_, at) => item(at));
    const done = await store.replace({ items, replaces: ({ key }) => !key.startsWith("keep/") });
    expect(done).toBe(revision + 1);
    await store.close();
    const again = await open();
    const held = await again.range("");
    expect([held.revision, held.items.length]).toEqual([done, 30_001]);
    expect(held.items.find(({ key }) => key === "new/000001")?.modRevision).toBe(revision);
    expect(held.items.find(({ key }) => key === "old/a")).toBeUndefined();
  });

  it("tells watches, or that they cannot be told", async () => {
    const store = await open({ limits: { historyEventsMax: 10 } });
    const { revision } = await put(store, "a", "1");
    const watch = (from: number) =>
      store.watch("", from, new AbortController().signal)[Symbol.asyncIterator]();
    const few = watch(revision + 1);
    await store.replace({ items: [item(1)], replaces: () => true });
    const batch = (await few.next()).value as WatchBatch;
    expect(batch.events.map(({ kind }) => kind).toSorted()).toEqual(["delete", "put"]);
    await store.replace({
      items: Array.from({ length: 20 }, (_, at) => item(at + 5)),
      replaces: () => false,
    });
    await expect(few.next()).rejects.toMatchObject({ code: "STORE_COMPACTED" });
  });
});
