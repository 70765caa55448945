/**
 * What every engine of the store has to do. Each statement is a test; `make` opens an empty store whose time the test
 * owns. Source: the header of store/store.ts, and etcd's v3 API where that is silent.
 */
import { describe, expect, it } from "vitest";
import { replaceContract } from "./store-replace.ts";
import { keys, type MakeStore, put, storesOf, take, write } from "./store-subject.ts";
import { transactionContract } from "./store-transactions.ts";
import { watchContract } from "./store-watch.ts";

export interface ContractScope {
  /** It knows how large the whole store is, and bounds it by `totalBytesMax`; other engines have a quota of their own. */
  readonly boundsTotal: boolean;
}

export function storeContract(
  name: string,
  make: MakeStore,
  { boundsTotal }: ContractScope = { boundsTotal: true },
): void {
  const { open, signal } = storesOf(make);
  transactionContract(name, make);
  watchContract(name, make);
  replaceContract(name, make);

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

    if (boundsTotal)
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
