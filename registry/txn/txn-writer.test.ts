/** Transactions between which something comes. */
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { gated } from "../../test/fixtures/gated-store.ts";
import { Registry } from "../registry.ts";
import { RegistryWriter } from "../registry-writer.ts";
import type { KvOperation } from "./txn-model.ts";

const bytes = (text: string) => Buffer.from(text);

function kv(verb: KvOperation["verb"], key: string, more: Partial<KvOperation> = {}): KvOperation {
  return { kind: "kv", verb, key, value: bytes("txn"), flags: 0n, index: 0, session: "", ...more };
}

/** A writer before each of whose writing transactions `between` runs, once. */
async function disturbed(between: (writer: RegistryWriter) => Promise<unknown>) {
  const store = new MemoryStore();
  const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
  onTestFinished(() => registry.close());
  const writer = new RegistryWriter({ store, registry, clock: systemClock });
  let isDone = false;
  const gate = gated(store, {
    beforeTxn: async ({ success }) => {
      if (isDone || !success.some(({ op }) => op === "put" || op === "delete")) return;
      isDone = true;
      await between(writer);
    },
  });
  return { registry, writer, late: new RegistryWriter({ store: gate, registry, clock: systemClock }) };
}

test("what was checked is checked again when it changed before the commit", async () => {
  const { registry, writer, late } = await disturbed((other) => other.kvPut("a", bytes("other")));
  await writer.kvPut("a", bytes("1"));
  const index = registry.kv("a")?.modifyIndex ?? 0;
  const { errors } = await late.txn([kv("check-index", "a", { index }), kv("set", "b")]);
  expect(errors).toMatchObject([{ at: 0 }]);
  expect(registry.kv("b")).toBeUndefined();
});

test("what still holds is done after all, on what is there then", async () => {
  const { registry, writer, late } = await disturbed((other) => other.kvPut("a", bytes("2"), { flags: 9n }));
  await writer.kvPut("a", bytes("1"));
  const { errors, outcomes } = await late.txn([kv("get", "a"), kv("set", "b")]);
  expect(errors).toEqual([]);
  const [read] = outcomes;
  expect(read?.kind === "kv" && [Buffer.from(read.entry.value).toString(), read.entry.flags]).toEqual([
    "2",
    9n,
  ]);
  expect(registry.kv("b")).toBeDefined();
});

test("an absent key that appears meanwhile is no longer absent", async () => {
  const { registry, late } = await disturbed((other) => other.kvPut("a", bytes("2")));
  const { errors } = await late.txn([kv("check-not-exists", "a"), kv("set", "b")]);
  expect(errors).toEqual([{ at: 0, what: 'key "a" exists' }]);
  expect(registry.kv("b")).toBeUndefined();
});
