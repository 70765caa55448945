/** History against a list of everything that ever stood under each key, whatever changed it. */
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { gated } from "../../test/fixtures/gated-store.ts";
import { keepKeyTimes } from "../kv/kv-keeper.ts";
import { Registry } from "../registry.ts";
import { RegistryWriter } from "../registry-writer.ts";
import { HistoryKeeper, historyTickMs } from "./history-keeper.ts";
import { historyAgeDefaultMs } from "./history-model.ts";
import { kvAt } from "./history-writer.ts";

const rule = { prefix: "h/", versions: 256, ageMs: historyAgeDefaultMs };
const set = { kind: "kv", verb: "set", flags: 0n, index: 0, session: "" } as const;

async function open(options: { readonly bytesMax?: number } = {}) {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const registry = await Registry.open({ store, clock, datacenter: "dc1" });
  const writer = new RegistryWriter({ store, registry, clock });
  const onFailure = (error: unknown) => {
    throw error;
  };
  const times = keepKeyTimes({ registry, writer, clock, onFailure });
  const keeper = new HistoryKeeper({ store, history: registry.history, clock, onFailure, ...options });
  onTestFinished(async () => {
    await times.close();
    await keeper.close();
    await registry.close();
  });
  return { clock, store, registry, writer };
}

const put = (writer: RegistryWriter, key: string, text: string) => writer.kvPut(key, Buffer.from(text));
const textAt = (registry: Registry, key: string, revision: number) => {
  const found = kvAt(registry, key, revision);
  return found && Buffer.from(found.record.value).toString();
};

const key = fc.constantFrom("h/a", "h/b", "h/b/c");
const step = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), key, text: fc.string({ maxLength: 3 }) }),
  fc.record({ kind: fc.constant("brief" as const), key, text: fc.string({ maxLength: 3 }) }),
  fc.record({ kind: fc.constant("delete" as const), key }),
  fc.record({ kind: fc.constant("tree" as const), prefix: fc.constantFrom("h/", "h/b", "", "x") }),
  fc.record({
    kind: fc.constant("txn" as const),
    keys: fc.uniqueArray(key),
    text: fc.string({ maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant("mixed" as const), key, text: fc.string({ maxLength: 3 }) }),
  fc.record({ kind: fc.constant("wait" as const) }),
);

describe("the history of a key", () => {
  it("answers what stood at every revision since the rule, whoever changed it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const { registry, writer, clock } = await open();
        const { revision: start } = await writer.putHistoryRule(rule);
        const seen: Map<string, string | undefined>[] = [];
        const keys = ["h/a", "h/b", "h/b/c"];
        const cursor = registry.changesAfter("kv/", { revision: start });
        const state = new Map<string, string>();
        const firstWrite = new Map<string, number>();
        const look = () => {
          for (let batch = cursor.take(); batch; batch = cursor.take()) {
            for (const { action, subject } of batch.changes) {
              if (subject.kind !== "kv") continue;
              const { key: name, value } = subject.entry;
              if (!firstWrite.has(name)) firstWrite.set(name, batch.revision);
              if (action === "delete" || action === "expire") state.delete(name);
              else state.set(name, Buffer.from(value).toString());
            }
            seen[batch.revision] = new Map(state);
          }
        };
        for (const one of steps) {
          if (one.kind === "put") await put(writer, one.key, one.text);
          else if (one.kind === "brief") await writer.kvPut(one.key, Buffer.from(one.text), { ttlMs: 1000 });
          else if (one.kind === "delete") await writer.kvDelete(one.key);
          else if (one.kind === "tree") await writer.kvDeleteTree(one.prefix);
          else if (one.kind === "txn")
            await writer.txn(one.keys.map((name) => ({ ...set, key: name, value: Buffer.from(one.text) })));
          else if (one.kind === "mixed") {
            const tree = { ...set, verb: "delete-tree", key: "h/b", value: Buffer.from("") } as const;
            await writer.txn([tree, { ...set, key: one.key, value: Buffer.from(one.text) }]);
          } else await clock.advance(1500);
          look();
        }
        for (const [revision, expected] of seen.entries()) {
          if (!expected) continue;
          for (const name of keys)
            if (revision >= (firstWrite.get(name) ?? Number.POSITIVE_INFINITY))
              expect(textAt(registry, name, revision), `${name} at ${revision}`).toBe(expected.get(name));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("has the changes of one key, with how each came about", async () => {
    const { registry, writer, clock } = await open();
    await writer.putHistoryRule(rule);
    await put(writer, "h/a", "1");
    await put(writer, "h/a", "1");
    await writer.kvDelete("h/a");
    await writer.kvDelete("h/a");
    await writer.kvPut("h/a", Buffer.from("2"), { ttlMs: 1000 });
    await clock.advance(1000);
    const actions = registry.history.versions("h/a").map(({ action }) => action);
    expect(actions).toEqual(["put", "delete", "put", "expire"]);
  });

  it("is bounded by number, at once", async () => {
    const { registry, writer, store } = await open();
    await writer.putHistoryRule({ ...rule, versions: 3 });
    for (let i = 0; i < 10; i++) await put(writer, "h/a", `${i}`);
    expect(registry.history.versions("h/a")).toHaveLength(3);
    expect((await store.range("kv-history/")).items).toHaveLength(3);
    const [oldest] = registry.history.versions("h/a");
    expect(() => kvAt(registry, "h/a", (oldest?.revision ?? 0) - 1)).toThrow(
      expect.objectContaining({ code: "REGISTRY_COMPACTED" }),
    );
  });

  it("is bounded by age, and keeps what is needed to answer within it", async () => {
    const { registry, writer, clock, store } = await open();
    await writer.putHistoryRule({ ...rule, ageMs: 10 * historyTickMs });
    await put(writer, "h/a", "1");
    await clock.advance(historyTickMs * 20);
    const { revision } = await put(writer, "h/a", "2");
    await clock.advance(historyTickMs * 5);
    expect(textAt(registry, "h/a", revision - 1)).toBe("1");
    await clock.advance(historyTickMs * 20);
    expect(registry.history.versions("h/a")).toHaveLength(1);
    await writer.kvDeleteTree("h/");
    await clock.advance(historyTickMs * 20);
    expect((await store.range("kv-history/")).items).toEqual([]);
  });

  it("is bounded in all by bytes: the oldest go first", async () => {
    const { registry, writer, clock } = await open({ bytesMax: 3000 });
    await writer.putHistoryRule(rule);
    for (let i = 0; i < 9; i++) {
      await clock.advance(1);
      await put(writer, `h/${i}`, "x".repeat(900));
    }
    await clock.advance(historyTickMs);
    expect(registry.history.bytes).toBeLessThanOrEqual(3000);
    expect(registry.history.versions("h/8")).toHaveLength(1);
    expect(registry.history.versions("h/0")).toEqual([]);
  });

  it("goes with its rule, and what nobody watched over is not made up", async () => {
    const { registry, writer, clock, store } = await open();
    await writer.putHistoryRule(rule);
    const { revision } = await put(writer, "h/a", "1");
    await writer.deleteHistoryRule("h/");
    await put(writer, "h/a", "2");
    await writer.putHistoryRule(rule);
    const third = await put(writer, "h/a", "3");
    for (const at of [revision, third.revision - 1])
      expect(() => kvAt(registry, "h/a", at)).toThrow(
        expect.objectContaining({ code: "REGISTRY_COMPACTED" }),
      );
    expect(textAt(registry, "h/a", third.revision)).toBe("3");
    await writer.deleteHistoryRule("h/");
    await clock.advance(historyTickMs);
    expect((await store.range("kv-history/")).items).toEqual([]);
  });

  it("is the same after a restart", async () => {
    const { registry, writer, store, clock } = await open();
    await writer.putHistoryRule(rule);
    await put(writer, "h/a", "1");
    await writer.kvDeleteTree("");
    await put(writer, "h/a", "2");
    const again = await Registry.open({ store, clock, datacenter: "dc1" });
    expect(again.history.versions("h/a")).toEqual(registry.history.versions("h/a"));
    expect(again.history.rules()).toEqual([rule]);
    await again.close();
  });

  it("has the deletion of a key that its server had not heard of yet", async () => {
    const { store, writer: other, clock } = await open();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isHeld = false;
    const slow = gated(store, { beforeBatch: async () => (isHeld ? held : undefined) });
    const registry = await Registry.open({ store: slow, clock, datacenter: "dc1" });
    const writer = new RegistryWriter({ store, registry, clock });
    await writer.putHistoryRule(rule);
    isHeld = true;
    await put(other, "h/a", "1");
    expect(registry.kv("h/a")).toBeUndefined();
    const deleted = writer.kvDelete("h/a");
    setImmediate(release);
    await deleted;
    expect(registry.kv("h/a")).toBeUndefined();
    expect(registry.history.versions("h/a").map(({ action }) => action)).toEqual(["put", "delete"]);
    await registry.close();
  });

  it("of other keys is not kept, and costs them nothing", async () => {
    const { writer, store } = await open();
    await writer.putHistoryRule(rule);
    await put(writer, "other", "1");
    await writer.kvDelete("other");
    await writer.kvDeleteTree("o");
    expect((await store.range("kv-history")).items.map((item) => item.key)).toEqual([
      "kv-history-rules/h%2F",
    ]);
  });
});
