/** The key/value store against a model in a few lines, by random histories. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { Registry } from "../registry.ts";
import { RegistryWriter } from "../registry-writer.ts";

interface ModelKey {
  readonly value: string;
  readonly flags: bigint;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** `cas` picks: none, 0, the key's index now, or one that is wrong. */
type Cas = "none" | "zero" | "right" | "wrong";

const keys = fc.constantFrom("a", "a/b", "a/c", "ab", "b/", "é", "b/😀");
const cas = fc.constantFrom<Cas>("none", "zero", "right", "wrong");
const commands = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("put" as const),
      key: keys,
      value: fc.constantFrom("", "1", "2"),
      flags: fc.constantFrom(0n, 9n),
      cas,
    }),
    fc.record({ kind: fc.constant("delete" as const), key: keys, cas }),
    fc.record({ kind: fc.constant("deleteTree" as const), prefix: fc.constantFrom("", "a", "a/", "zz") }),
  ),
  { maxLength: 40 },
);

test("puts, deletes and compares agree with the model, whatever their order", async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (history) => {
      const store = new MemoryStore();
      const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
      const writer = new RegistryWriter({ store, registry, clock: systemClock });
      const model = new Map<string, ModelKey>();
      const tombstones = new Map<string, number>();
      const indexOf = (key: string) => model.get(key)?.modifyIndex ?? 0;
      for (const command of history) {
        const options = "cas" in command ? casOption(command.cas, indexOf(command.key)) : {};
        const held = "key" in command ? model.get(command.key) : undefined;
        const compares = options.cas === undefined || options.cas === (held?.modifyIndex ?? 0);
        if (command.kind === "put") {
          const { key, value, flags } = command;
          const result = await writer.kvPut(key, Buffer.from(value), { flags, ...options });
          expect(result.succeeded).toBe(compares);
          if (!compares || (held?.value === value && held.flags === flags)) continue;
          const createIndex = held?.createIndex ?? result.revision;
          model.set(key, { value, flags, createIndex, modifyIndex: result.revision });
        } else if (command.kind === "delete") {
          const { succeeded, revision } = await writer.kvDelete(command.key, options);
          expect(succeeded).toBe(compares || !held);
          if (compares && model.delete(command.key)) tombstones.set(command.key, revision);
        } else {
          const { revision } = await writer.kvDeleteTree(command.prefix);
          for (const key of [...model.keys()].filter((one) => one.startsWith(command.prefix))) {
            model.delete(key);
            tombstones.set(key, revision);
          }
        }
      }
      for (const prefix of ["", "a", "a/", "b", "zz"]) {
        const expected = [...model]
          .filter(([key]) => key.startsWith(prefix))
          .sort(([a], [b]) => (a < b ? -1 : 1));
        const listed = registry
          .kvList(prefix)
          .map(({ key, value, flags, createIndex, modifyIndex }) => [
            key,
            { value: Buffer.from(value).toString(), flags, createIndex, modifyIndex },
          ]);
        expect(listed).toEqual(expected);
        expect(registry.kvKeys(prefix, "/")).toEqual(
          cutKeys(
            expected.map(([key]) => key),
            prefix,
          ),
        );
        const newest = [...expected.map(([, { modifyIndex }]) => modifyIndex)];
        for (const [key, index] of tombstones) if (key.startsWith(prefix)) newest.push(index);
        expect(registry.indexOf({ kind: "kvPrefix", prefix })).toBe(Math.max(1, ...newest));
      }
      await registry.close();
    }),
    { numRuns: 150 },
  );
});

test("of concurrent creators of one key exactly one wins, and plain writers all do", async () => {
  const store = new MemoryStore();
  const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
  const other = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
  const writers = [registry, other].map(
    (one) => new RegistryWriter({ store, registry: one, clock: systemClock }),
  );
  const put = (at: number, options: { cas?: number } = {}) =>
    (writers[at % 2] as RegistryWriter).kvPut("k", Buffer.from(String(at)), options);
  const created = await Promise.all(Array.from({ length: 20 }, (_, at) => put(at, { cas: 0 })));
  expect(created.filter(({ succeeded }) => succeeded)).toHaveLength(1);
  const written = await Promise.all(Array.from({ length: 50 }, (_, at) => put(at)));
  expect(written.every(({ succeeded }) => succeeded)).toBe(true);
  const last = Math.max(...written.map(({ revision }) => revision));
  expect(registry.kv("k")?.modifyIndex).toBe(last);
  await Promise.all([registry.close(), other.close()]);
});

function casOption(kind: Cas, now: number): { cas?: number } {
  switch (kind) {
    case "none":
      return {};
    case "zero":
      return { cas: 0 };
    case "right":
      return { cas: now };
    case "wrong":
      return { cas: now + 1000 };
    default:
      return kind satisfies never;
  }
}

function cutKeys(sorted: readonly string[], prefix: string): string[] {
  const cut = sorted.map((key) => {
    const at = key.indexOf("/", prefix.length);
    return at < 0 ? key : key.slice(0, at + 1);
  });
  return [...new Set(cut)];
}
