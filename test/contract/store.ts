/**
 * What every engine of the store has to do. Each statement is a test; `make` opens an empty store whose time the test
 * owns. Source: the header of store/store.ts, and etcd's v3 API where that is silent.
 */
import { afterEach, describe, expect, it } from "vitest";
import type { Operation, Store, StoreEvent, StoreLimits, TxnResult, WatchBatch } from "../../store/index.ts";

export interface StoreUnderTest {
  readonly store: Store;
  /** Lets lease time pass. */
  readonly elapse: (ms: number) => Promise<void>;
  /** Frees what the test made; the store may be closed already. */
  readonly dispose: () => Promise<void>;
}

export type MakeStore = (limits?: Partial<StoreLimits>) => Promise<StoreUnderTest>;

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(item: { readonly value: Uint8Array } | undefined): string | undefined {
  return item && new TextDecoder().decode(item.value);
}

export function put(key: string, value: string, lease?: string): Operation {
  return { op: "put", key, value: bytes(value), ...(lease === undefined ? {} : { lease }) };
}

/** biome and promises alike stumble over a literal with `then`; one place makes them. */
export function write(store: Store, ...operations: Operation[]): Promise<TxnResult> {
  return store.txn({ success: operations });
}

async function keys(store: Store, prefix = ""): Promise<string[]> {
  return (await store.range(prefix)).items.map((item) => item.key);
}

/** "put a=1", "delete a", "expire a": one event in words. */
function words(event: StoreEvent): string {
  if (event.kind === "put")
    return `${event.created ? "create" : "put"} ${event.item.key}=${text(event.item)}`;
  return `${event.expired ? "expire" : "delete"} ${event.key}`;
}

/** Batches until `count` have come. */
async function take(source: AsyncIterable<WatchBatch>, count: number): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = [];
  if (count === 0) return batches;
  for await (const batch of source) if (batches.push(batch) === count) break;
  return batches;
}

export function storeContract(name: string, make: MakeStore): void {
  const made: StoreUnderTest[] = [];
  const aborts: AbortController[] = [];

  async function open(limits?: Partial<StoreLimits>): Promise<StoreUnderTest> {
    const subject = await make(limits);
    made.push(subject);
    return subject;
  }
  function signal(): AbortSignal {
    const controller = new AbortController();
    aborts.push(controller);
    return controller.signal;
  }
  afterEach(async () => {
    for (const controller of aborts.splice(0)) controller.abort();
    for (const subject of made.splice(0)) await subject.dispose();
  });

  describe(`${name} range`, () => {
    it("answers the keys of the prefix in order and nothing else", async () => {
      const { store } = await open();
      await write(
        store,
        put("b/2", "2"),
        put("b/10", "10"),
        put("a", "a"),
        put("b", "b"),
        put("c", "c"),
        put("b/", ""),
      );
      expect(await keys(store, "b/")).toEqual(["b/", "b/10", "b/2"]);
      expect(await keys(store)).toEqual(["a", "b", "b/", "b/10", "b/2", "c"]);
      expect(await keys(store, "nothing")).toEqual([]);
    });

    it("pages by limit and from, and says when there is more", async () => {
      const { store } = await open();
      await write(store, ...["1", "2", "3", "4", "5"].map((digit) => put(`p/${digit}`, digit)));
      const first = await store.range("p/", { limit: 2 });
      expect([first.items.map(text), first.more]).toEqual([["1", "2"], true]);
      const second = await store.range("p/", { limit: 3, from: "p/3" });
      expect([second.items.map(text), second.more]).toEqual([["3", "4", "5"], false]);
      expect((await store.range("p/", { from: "a" })).items).toHaveLength(5);
      expect((await store.range("p/", { from: "q" })).items).toEqual([]);
    });

    it("leaves values out when only keys are asked for", async () => {
      const { store } = await open();
      await write(store, put("k", "value"));
      const { items } = await store.range("k", { keysOnly: true });
      expect(items.map((item) => [item.key, item.value.length, item.version])).toEqual([["k", 0, 1]]);
    });

    it("keeps any key that is well-formed Unicode, and any bytes", async () => {
      const { store } = await open();
      const odd = ["\u0000", "a\u0000b", "ç", "日本", "😀", "a b/%2F\n", "\uFFFD"];
      const value = Uint8Array.from({ length: 256 }, (_, index) => index);
      await write(store, ...odd.map((key) => ({ op: "put", key, value }) as const));
      expect((await keys(store)).toSorted()).toEqual(odd.toSorted());
      expect((await store.range("ç")).items[0]?.value).toEqual(value);
    });

    it("answers with the revision of the store", async () => {
      const { store } = await open();
      const { revision } = await write(store, put("k", "1"));
      expect((await store.range("nothing")).revision).toBe(revision);
    });

    it("sees a write as soon as it is answered", async () => {
      const { store } = await open();
      for (let round = 0; round < 20; round++) {
        await write(store, put("k", `${round}`));
        expect(text((await store.range("k")).items[0])).toBe(`${round}`);
      }
    });
  });

  describe(`${name} txn`, () => {
    it("raises the revision by one when it writes, and not at all when it does not", async () => {
      const { store } = await open();
      const start = (await store.range("")).revision;
      const written = await write(store, put("a", "1"), put("b", "1"));
      expect(written.revision).toBe(start + 1);
      for (const idle of [
        await write(store),
        await write(store, { op: "delete", key: "missing" }),
        await write(store, { op: "deletePrefix", prefix: "missing" }),
        await write(store, { op: "get", key: "a" }),
        await write(store, put("new", ""), { op: "delete", key: "new" }),
      ]) {
        expect(idle.revision).toBe(start + 1);
      }
      expect((await write(store, put("a", "1"))).revision).toBe(start + 2);
    });

    it("keeps createRevision and counts versions until the key is deleted", async () => {
      const { store } = await open();
      const first = (await write(store, put("k", "1"))).revision;
      const second = (await write(store, put("k", "2"))).revision;
      const [item] = (await store.range("k")).items;
      expect(item).toMatchObject({ createRevision: first, modRevision: second, version: 2 });
      await write(store, { op: "delete", key: "k" });
      const again = (await write(store, put("k", "3"))).revision;
      expect((await store.range("k")).items[0]).toMatchObject({ createRevision: again, version: 1 });
    });

    it("makes a key anew that it deletes first", async () => {
      const { store } = await open();
      await write(store, put("k/1", "1"), put("k/2", "1"));
      const { revision } = await write(store, { op: "deletePrefix", prefix: "k/" }, put("k/1", "2"));
      expect((await store.range("k/")).items).toMatchObject([
        { key: "k/1", createRevision: revision, version: 1 },
      ]);
    });

    it("answers each operation of the branch that ran", async () => {
      const { store } = await open();
      await write(store, put("a/1", "old"), put("a/2", "old"));
      const { results } = await write(
        store,
        put("a/1", "new"),
        { op: "get", key: "a/1" },
        { op: "get", key: "a/9" },
        { op: "range", prefix: "a/", limit: 1 },
        { op: "deletePrefix", prefix: "a/" },
        { op: "range", prefix: "a/" },
        { op: "delete", key: "a/1" },
      );
      expect(
        results.map((result) => {
          if (result.op === "put") return text(result.previous);
          if (result.op === "get") return text(result.item);
          return result.op === "range" ? result.items.map(text) : result.deleted;
        }),
      ).toEqual(["old", "new", undefined, ["new"], 2, [], 0]);
    });

    it("runs then when all comparisons hold, else otherwise", async () => {
      const { store } = await open();
      const { revision } = await write(store, put("k", "1"));
      const held = [
        [{ key: "k", exists: true }],
        [{ key: "none", exists: false }],
        [{ key: "k", modRevision: revision }],
        [{ key: "k", createRevision: revision }],
        [{ key: "none", modRevision: 0 }],
        [{ key: "none", createRevision: 0 }],
        [{ key: "k", value: bytes("1") }],
        [],
      ];
      const broken = [
        [{ key: "k", exists: false }],
        [{ key: "none", exists: true }],
        [{ key: "k", modRevision: revision + 1 }],
        [{ key: "k", createRevision: 0 }],
        [{ key: "k", value: bytes("11") }],
        [{ key: "none", value: bytes("") }],
        [
          { key: "k", exists: true },
          { key: "none", exists: true },
        ],
      ];
      const branches = { success: [{ op: "get", key: "k" }], failure: [] } as const;
      for (const compare of held) {
        expect(await store.txn({ compare, ...branches })).toMatchObject({
          succeeded: true,
          results: [{ op: "get" }],
        });
      }
      for (const compare of broken) {
        expect(await store.txn({ compare, ...branches })).toMatchObject({ succeeded: false, results: [] });
      }
    });

    it("lets exactly one of many create a key", async () => {
      const { store } = await open();
      const claims = Array.from({ length: 50 }, (_, claimer) =>
        store.txn({
          compare: [{ key: "claim", exists: false }],
          success: [put("claim", `${claimer}`)],
          failure: [{ op: "get", key: "claim" }],
        }),
      );
      const answers = await Promise.all(claims);
      const winners = answers.flatMap(({ succeeded }, claimer) => (succeeded ? [`${claimer}`] : []));
      expect(winners).toHaveLength(1);
      const seen = answers.flatMap(({ results: [result] }) =>
        result?.op === "get" ? [text(result.item)] : [],
      );
      expect(new Set(seen)).toEqual(new Set(winners));
    });

    it("loses no increment when many compare and swap at once", async () => {
      const { store } = await open();
      await write(store, put("n", "0"));
      const increment = async (): Promise<void> => {
        for (;;) {
          const [item] = (await store.range("n")).items;
          const { succeeded } = await store.txn({
            compare: [{ key: "n", modRevision: item?.modRevision ?? 0 }],
            success: [put("n", `${Number(text(item)) + 1}`)],
          });
          if (succeeded) return;
        }
      };
      await Promise.all(Array.from({ length: 20 }, increment));
      expect(text((await store.range("n")).items[0])).toBe("20");
    });

    it("gives concurrent transactions revisions without gap or repeat", async () => {
      const { store } = await open();
      const start = (await store.range("")).revision;
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, index) => write(store, put(`k${index}`, ""))),
      );
      const revisions = answers.map((answer) => answer.revision).toSorted((a, b) => a - b);
      expect(revisions).toEqual(Array.from({ length: 200 }, (_, index) => start + 1 + index));
    });

    it("copies what it is given", async () => {
      const { store } = await open();
      const value = Buffer.from("before");
      const written = write(store, { op: "put", key: "k", value });
      value.fill(0);
      await written;
      expect(text((await store.range("k")).items[0])).toBe("before");
    });
  });

  describe(`${name} limits`, () => {
    const tiny = { keyBytesMax: 8, valueBytesMax: 8, txnBytesMax: 32, operationsMax: 4, totalBytesMax: 48 };

    it.each([
      ["a key of 9 bytes", [put("123456789", "")]],
      ["a key of 3 characters that are 9 bytes", [put("日本語", "")]],
      ["a value of 9 bytes", [put("k", "123456789")]],
      ["5 operations", Array.from({ length: 5 }, (_, index) => put(`${index}`, ""))],
      [
        "a transaction of 33 bytes",
        ["a", "b", "c", "dd"].map((key) => put(key.padEnd(key.length + 1, "-"), "123456")),
      ],
    ])("refuse %s and write nothing", async (_, operations) => {
      const { store } = await open(tiny);
      const before = await store.range("");
      await expect(write(store, ...operations)).rejects.toMatchObject({ code: "STORE_LIMIT" });
      expect(await store.range("")).toEqual(before);
    });

    it("refuse a store that is too large, until something is deleted", async () => {
      const { store } = await open(tiny);
      for (const key of ["a", "b", "c", "d", "e"]) await write(store, put(key, "12345678"));
      await expect(write(store, put("f", "12345678"))).rejects.toMatchObject({ code: "STORE_LIMIT" });
      expect(await keys(store)).toEqual(["a", "b", "c", "d", "e"]);
      await write(store, { op: "delete", key: "a" });
      await write(store, put("f", "12345678"));
      expect(await keys(store)).toEqual(["b", "c", "d", "e", "f"]);
    });

    it.each(["", "\ud800", "a\udc00"])("refuse the key %j", async (key) => {
      const { store } = await open();
      await expect(write(store, put(key, ""))).rejects.toMatchObject({ code: "STORE_INVALID_KEY" });
    });

    it("bound the leases and their time", async () => {
      const { store } = await open({ leasesMax: 2, leaseTtlMaxMs: 1000 });
      await store.grantLease(1000);
      await store.grantLease(1);
      for (const ttlMs of [1, 1001, 0, -1, Number.NaN]) {
        await expect(store.grantLease(ttlMs)).rejects.toMatchObject({ code: "STORE_LIMIT" });
      }
    });

    it("bound the watches that are open", async () => {
      const { store } = await open({ watchersMax: 1 });
      const first = take(store.watch("", 0, signal()), 1);
      await expect(take(store.watch("", 0, signal()), 1)).rejects.toMatchObject({ code: "STORE_LIMIT" });
      await write(store, put("k", ""));
      await first;
      await expect(take(store.watch("", 0, signal()), 1)).resolves.toHaveLength(1);
    });
  });

  describe(`${name} watch`, () => {
    it("sees each change of the prefix once and in order, transactions whole", async () => {
      const { store } = await open();
      const start = (await store.range("")).revision;
      const seen = take(store.watch("a/", start + 1, signal()), 4);
      await write(store, put("a/1", "1"), put("b/1", "1"), put("a/2", "1"));
      await write(store, put("b/2", "1"));
      await write(store, put("a/1", "2"));
      await write(store, { op: "deletePrefix", prefix: "a/" });
      await write(store, put("a/1", "3"));
      expect(
        (await seen).map((batch) => [batch.revision - start, batch.events.map(words).toSorted()]),
      ).toEqual([
        [1, ["create a/1=1", "create a/2=1"]],
        [3, ["put a/1=2"]],
        [4, ["delete a/1", "delete a/2"]],
        [5, ["create a/1=3"]],
      ]);
    });

    it("sees the net of a transaction: one event a key", async () => {
      const { store } = await open();
      const { revision } = await write(store, put("old", "1"), put("gone", "1"));
      await write(
        store,
        put("old", "2"),
        put("old", "3"),
        { op: "delete", key: "gone" },
        put("gone", "2"),
        put("flash", "1"),
        { op: "delete", key: "flash" },
      );
      const [batch] = await take(store.watch("", revision + 1, signal()), 1);
      expect(batch?.events.map(words).toSorted()).toEqual(["create gone=2", "put old=3"]);
    });

    it("resumes from any revision without gap while writes go on", async () => {
      const { store } = await open();
      const start = (await store.range("")).revision;
      const writing = (async () => {
        for (let index = 0; index < 300; index++) await write(store, put(`k${index % 7}`, `${index}`));
      })();
      const revisions: number[] = [];
      while (revisions.length < 300) {
        const next = (revisions.at(-1) ?? start) + 1;
        const some = Math.min(13, 300 - revisions.length);
        for (const batch of await take(store.watch("", next, signal()), some)) revisions.push(batch.revision);
      }
      await writing;
      expect(revisions).toEqual(Array.from({ length: 300 }, (_, index) => start + 1 + index));
    });

    it("begins in the future when told so", async () => {
      const { store } = await open();
      const start = (await store.range("")).revision;
      const seen = take(store.watch("", start + 3, signal()), 1);
      for (const value of ["1", "2", "3"]) await write(store, put("k", value));
      expect((await seen).map((batch) => batch.revision)).toEqual([start + 3]);
    });

    it("ends quietly when its signal aborts, asleep or before", async () => {
      const { store } = await open();
      const controller = new AbortController();
      const seen = take(store.watch("", 0, controller.signal), 1);
      controller.abort();
      expect(await seen).toEqual([]);
      expect(await take(store.watch("", 0, AbortSignal.abort()), 1)).toEqual([]);
    });

    it("is told when history before its revision is gone", async () => {
      const { store } = await open({ historyEventsMax: 10 });
      const { revision } = await write(store, put("k", "0"));
      for (let index = 1; index <= 10; index++) await write(store, put("k", `${index}`));
      await expect(take(store.watch("", revision, signal()), 1)).rejects.toMatchObject({
        code: "STORE_COMPACTED",
      });
      expect(await take(store.watch("", revision + 1, signal()), 10)).toHaveLength(10);
    });

    it("ends a reader that lags behind history instead of growing", async () => {
      const { store } = await open({ historyEventsMax: 10 });
      const { revision } = await write(store, put("k", "0"));
      const watch = store.watch("", revision, signal())[Symbol.asyncIterator]();
      expect((await watch.next()).value).toMatchObject({ revision });
      for (let index = 0; index < 11; index++) await write(store, put("k", `${index}`));
      await expect(watch.next()).rejects.toMatchObject({ code: "STORE_COMPACTED" });
    });

    it("does not take waiting through other keys' history for a lag", async () => {
      const { store } = await open({ historyEventsMax: 10 });
      const { revision } = await write(store, put("mine", "0"));
      const seen = take(store.watch("mine", revision, signal()), 2);
      for (let index = 0; index < 50; index++) await write(store, put("other", `${index}`));
      await write(store, put("mine", "1"));
      expect((await seen).flatMap((batch) => batch.events.map(words))).toEqual([
        "create mine=0",
        "put mine=1",
      ]);
    });

    it("serves many watches at once", async () => {
      const { store } = await open();
      const next = (await store.range("")).revision + 1;
      const watches = Array.from({ length: 100 }, (_, index) =>
        take(store.watch(`k${index}/`, next, signal()), 1),
      );
      await write(store, ...Array.from({ length: 100 }, (_, index) => put(`k${index}/x`, `${index}`)));
      const seen = await Promise.all(watches);
      expect(seen.map(([batch]) => batch?.events.map(words))).toEqual(
        Array.from({ length: 100 }, (_, index) => [`create k${index}/x=${index}`]),
      );
    });
  });

  describe(`${name} lease`, () => {
    it("takes its keys along when its time is over, in one revision marked as expired", async () => {
      const { store, elapse } = await open();
      const { id, ttlMs } = await store.grantLease(5000);
      expect(ttlMs).toBe(5000);
      const { revision } = await write(store, put("a", "1", id), put("b", "1", id), put("free", "1"));
      expect((await store.range("a")).items[0]?.lease).toBe(id);
      const ended = take(store.watch("", revision + 1, signal()), 1);
      await elapse(4999);
      expect(await keys(store)).toEqual(["a", "b", "free"]);
      await elapse(1);
      expect((await ended).map((batch) => batch.events.map(words).toSorted())).toEqual([
        ["expire a", "expire b"],
      ]);
      expect(await keys(store)).toEqual(["free"]);
      await expect(store.keepAlive(id)).rejects.toMatchObject({ code: "STORE_LEASE_NOT_FOUND" });
    });

    it("lives on while it is kept alive", async () => {
      const { store, elapse } = await open();
      const { id } = await store.grantLease(1000);
      const { revision } = await write(store, put("k", "1", id));
      for (let beat = 0; beat < 10; beat++) {
        await elapse(900);
        await store.keepAlive(id);
      }
      expect(await keys(store)).toEqual(["k"]);
      const ended = take(store.watch("", revision + 1, signal()), 1);
      await elapse(1000);
      await ended;
      expect(await keys(store)).toEqual([]);
    });

    it("ends when it is revoked, as a plain delete; revoking again does nothing", async () => {
      const { store } = await open();
      const { id } = await store.grantLease(1000);
      const { revision } = await write(store, put("k", "1", id));
      await store.revokeLease(id);
      const [batch] = await take(store.watch("", revision + 1, signal()), 1);
      expect(batch?.events.map(words)).toEqual(["delete k"]);
      await store.revokeLease(id);
      await store.revokeLease("never-was");
      expect((await store.range("")).revision).toBe(revision + 1);
      await expect(store.keepAlive(id)).rejects.toMatchObject({ code: "STORE_LEASE_NOT_FOUND" });
    });

    it("lets go of a key that is written without it or with another, or deleted", async () => {
      const { store } = await open();
      const [first, second] = [await store.grantLease(1000), await store.grantLease(1000)];
      await write(
        store,
        put("freed", "1", first.id),
        put("moved", "1", first.id),
        put("made", "1", first.id),
      );
      await write(store, put("freed", "2"), put("moved", "2", second.id), { op: "delete", key: "made" });
      await write(store, put("made", "2"));
      await store.revokeLease(first.id);
      expect(await keys(store)).toEqual(["freed", "made", "moved"]);
      await store.revokeLease(second.id);
      expect(await keys(store)).toEqual(["freed", "made"]);
    });

    it("that has ended cannot be written under, and the transaction leaves no trace", async () => {
      const { store } = await open();
      const { id } = await store.grantLease(1000);
      await store.revokeLease(id);
      const before = await store.range("");
      await expect(write(store, put("a", "1"), put("b", "1", id))).rejects.toMatchObject({
        code: "STORE_LEASE_NOT_FOUND",
      });
      expect(await store.range("")).toEqual(before);
    });
  });

  describe(`${name} close`, () => {
    it("ends calls and watches with STORE_CLOSED, and may be called twice", async () => {
      const { store } = await open();
      const watching = take(store.watch("", 0, signal()), 1);
      const refused = expect(watching).rejects.toMatchObject({ code: "STORE_CLOSED" });
      await Promise.all([store.close(), store.close()]);
      await refused;
      const closed = { code: "STORE_CLOSED" };
      await expect(store.range("")).rejects.toMatchObject(closed);
      await expect(write(store, put("k", ""))).rejects.toMatchObject(closed);
      await expect(store.grantLease(1)).rejects.toMatchObject(closed);
      await expect(store.keepAlive("x")).rejects.toMatchObject(closed);
      await expect(store.revokeLease("x")).rejects.toMatchObject(closed);
      await expect(take(store.watch("", 0, signal()), 1)).rejects.toMatchObject(closed);
    });

    it("answers what was submitted before", async () => {
      const { store } = await open();
      const writes = Array.from({ length: 10 }, (_, index) => write(store, put(`${index}`, "")));
      await store.close();
      await expect(Promise.all(writes)).resolves.toHaveLength(10);
    });

    it("has an id of its own", async () => {
      const [one, other] = [await open(), await open()];
      expect(one.store.id).not.toBe(other.store.id);
      expect(one.store.id).toMatch(/^[0-9a-f-]{36}$/);
    });
  });
}
