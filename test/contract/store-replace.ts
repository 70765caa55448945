/** Replacing much of what a store holds, as every engine does it: in one revision, whatever its transactions bound. */
import { describe, expect, it } from "vitest";
import { bytes, keys, type MakeStore, put, storesOf, take, text, words, write } from "./store-subject.ts";

export function replaceContract(name: string, make: MakeStore): void {
  const { open, signal } = storesOf(make);
  const item = (at: number) => ({ key: `new/${String(at).padStart(6, "0")}`, value: bytes(`${at}`) });

  describe(`${name} replacement`, () => {
    it("larger than any transaction is one revision, and keeps what stays as it is", async () => {
      const { store } = await open();
      await write(store, put("old/a", "1"));
      await write(store, put("keep/a", "1"));
      const { revision } = await write(store, put("new/000001", "1"));
      const batches = take(store.watch("", revision + 1, signal()), 1);
      const items = Array.from({ length: 700 }, (_, at) => item(at));
      const done = await store.replace({ items, replaces: ({ key }) => !key.startsWith("keep/") });
      expect(done).toBeGreaterThan(revision);
      const held = await store.range("");
      expect([held.revision, held.items.length]).toEqual([done, 701]);
      expect(held.items.find(({ key }) => key === "new/000001")?.modRevision).toBe(revision);
      expect(held.items.some(({ key }) => key === "old/a")).toBe(false);
      const [batch] = await batches;
      expect(batch?.revision).toBe(done);
      expect(batch?.events).toHaveLength(700);
      expect(batch?.events.map(words)).toContain("delete old/a");
      expect(batch?.events.map(words)).toContain("create new/000000=0");
    });

    it("takes the lease off what it writes, and goes on with what comes after", async () => {
      const { store } = await open();
      const { id } = await store.grantLease(60_000);
      await write(store, put("new/000001", "1", id));
      const first = await store.replace({ items: [item(1)], replaces: () => true });
      await store.revokeLease(id);
      expect(await keys(store)).toEqual(["new/000001"]);
      const next = take(store.watch("", first + 1, signal()), 1);
      const { revision } = await write(store, put("new/000001", "2"));
      expect((await next).map((batch) => [batch.revision, ...batch.events.map(words)])).toEqual([
        [revision, "put new/000001=2"],
      ]);
    });

    it("that changes nothing has the revision that there was", async () => {
      const { store } = await open();
      const { revision } = await write(store, put("new/000001", "1"));
      expect(await store.replace({ items: [item(1)], replaces: () => true })).toBe(revision);
    });

    it("may hold values of any bytes and of the largest size", async () => {
      const { store } = await open();
      const large = Uint8Array.from({ length: 200_000 }, (_, at) => at);
      const items = ["a", "b", "c", "d", "e"].map((key) => ({ key, value: large }));
      await store.replace({ items: [...items, { key: "empty", value: bytes("") }], replaces: () => true });
      const held = (await store.range("")).items;
      expect(held.map(({ key }) => key)).toEqual(["a", "b", "c", "d", "e", "empty"]);
      expect(held.slice(0, 5).every(({ value }) => Buffer.compare(value, large) === 0)).toBe(true);
      expect(text(held[5])).toBe("");
    });

    it("with an item that is too large does nothing", async () => {
      const { store } = await open({ valueBytesMax: 10 });
      await write(store, put("a", "1"));
      const items = [item(1), { key: "big", value: bytes("12345678901") }];
      await expect(store.replace({ items, replaces: () => true })).rejects.toMatchObject({
        code: "STORE_LIMIT",
      });
      expect(await keys(store)).toEqual(["a"]);
    });
  });
}
