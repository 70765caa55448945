/** What every engine of the store has to do with watches and with leases, whose ends watches tell of. */
import { describe, expect, it } from "vitest";
import { keys, type MakeStore, put, storesOf, take, words, write } from "./store-subject.ts";

export function watchContract(name: string, make: MakeStore): void {
  const { open, signal } = storesOf(make);

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
      expect(batch?.events.map(words).toSorted()).toEqual(["put gone=2", "put old=3"]);
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
      await store.range("");
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
      await store.range("");
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
    it("takes its keys along when its time is over, in one revision", async () => {
      const { store, elapse } = await open();
      const { id, ttlMs } = await store.grantLease(5000);
      // Engines that know coarser times round up.
      expect(ttlMs).toBeGreaterThanOrEqual(5000);
      const { revision } = await write(store, put("a", "1", id), put("b", "1", id), put("free", "1"));
      expect((await store.range("a")).items[0]?.lease).toBe(id);
      const ended = take(store.watch("", revision + 1, signal()), 1);
      // Where time is real, some of it has passed since the lease was granted.
      await elapse(ttlMs * 0.8);
      expect(await keys(store)).toEqual(["a", "b", "free"]);
      await elapse(ttlMs * 0.2);
      expect((await ended).map((batch) => batch.events.map(words).toSorted())).toEqual([
        ["delete a", "delete b"],
      ]);
      expect(await keys(store)).toEqual(["free"]);
      await expect(store.keepAlive(id)).rejects.toMatchObject({ code: "STORE_LEASE_NOT_FOUND" });
    });

    it("lives on while it is kept alive", async () => {
      const { store, elapse } = await open();
      const { id, ttlMs } = await store.grantLease(1000);
      const { revision } = await write(store, put("k", "1", id));
      for (let beat = 0; beat < 4; beat++) {
        await elapse(ttlMs * 0.7);
        await store.keepAlive(id);
      }
      expect(await keys(store)).toEqual(["k"]);
      const ended = take(store.watch("", revision + 1, signal()), 1);
      await elapse(ttlMs);
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
}
