/** What watches are told of a replacement: as much as of one transaction that did all of it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StoreEvent, WatchBatch } from "../../store.ts";
import { TornHistory } from "./torn-history.ts";

type Change = { readonly key: string; readonly value: string | undefined };

/** A plain map of what stands, told of each change in the way etcd tells it. */
class Etcd {
  readonly items = new Map<string, { value: string; createRevision: number; version: number }>();
  revision = 1;

  change({ key, value }: Change): WatchBatch {
    const revision = ++this.revision;
    const held = this.items.get(key);
    if (value === undefined) {
      this.items.delete(key);
      return { revision, events: held ? [{ kind: "delete", key, modRevision: revision }] : [] };
    }
    const item = {
      value,
      createRevision: held?.createRevision ?? revision,
      version: (held?.version ?? 0) + 1,
    };
    this.items.set(key, item);
    const { createRevision, version } = item;
    const told = { key, value: Buffer.from(value), createRevision, modRevision: revision, version };
    return { revision, events: [{ kind: "put", item: told, created: createRevision === revision }] };
  }
}

function follow(held: Map<string, string>, events: readonly StoreEvent[]): void {
  for (const event of events) {
    if (event.kind === "delete") {
      expect(held.has(event.key), `delete of ${event.key}, which nobody was told of`).toBe(true);
      held.delete(event.key);
    } else {
      expect(event.created, event.item.key).toBe(!held.has(event.item.key));
      held.set(event.item.key, Buffer.from(event.item.value).toString());
    }
  }
}

const change = fc.record({
  key: fc.constantFrom("a", "b", "c"),
  value: fc.option(fc.constantFrom("1", "2"), { nil: undefined }),
});

describe("a torn history", () => {
  it("tells the net of what happened between, in one batch, and no read between counts", () => {
    fc.assert(
      fc.property(fc.array(change), fc.array(change), fc.array(change), (before, between, after) => {
        const etcd = new Etcd();
        const torn = new TornHistory();
        const held = new Map<string, string>();
        const tell = (batch: WatchBatch, marker?: "applying" | "gone") => {
          const told = torn.take(batch, marker);
          if (told) follow(held, told.events);
          return told;
        };
        for (const each of before) tell(etcd.change(each));
        const from = ++etcd.revision;
        tell({ revision: from, events: [] }, "applying");
        for (const each of between) expect(tell(etcd.change(each))).toBeUndefined();
        const last = etcd.revision;
        const to = ++etcd.revision;
        expect(torn.isTorn(last)).toBe(true);
        expect(tell({ revision: to, events: [] }, "gone")?.revision).toBe(to);
        const values = () => new Map([...etcd.items].map(([key, { value }]) => [key, value]));
        expect(held).toEqual(values());
        expect([from - 1, from, last, to].map((each) => torn.isTorn(each))).toEqual([
          false,
          true,
          true,
          false,
        ]);
        for (const each of after) tell(etcd.change(each));
        expect(held).toEqual(values());
      }),
    );
  });

  it("lets a marker that comes and goes before anything is written pass", () => {
    const torn = new TornHistory();
    const batch = { revision: 2, events: [] };
    expect(torn.take(batch, undefined)).toEqual(batch);
    expect(torn.take({ ...batch, revision: 3 }, "gone")).toEqual({ ...batch, revision: 3 });
    expect(torn.isOpen).toBe(false);
  });
});
