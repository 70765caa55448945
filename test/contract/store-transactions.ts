/** What every engine of the store has to do with reads and transactions. */
import { describe, expect, it } from "vitest";
import { bytes, keys, type MakeStore, put, storesOf, text, write } from "./store-subject.ts";

export function transactionContract(name: string, make: MakeStore): void {
  const { open } = storesOf(make);

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

    it("counts the net: a key that it deletes and puts was put", async () => {
      const { store } = await open();
      const first = (await write(store, put("k/1", "1"), put("k/2", "1"))).revision;
      const { revision } = await write(
        store,
        { op: "deletePrefix", prefix: "k/" },
        put("k/1", "2"),
        put("k/1", "3"),
      );
      const items = (await store.range("k/")).items;
      expect(items).toMatchObject([{ key: "k/1", createRevision: first, modRevision: revision, version: 2 }]);
      expect(items.map(text)).toEqual(["3"]);
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
}
