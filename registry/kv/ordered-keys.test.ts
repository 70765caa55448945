import fc from "fast-check";
import { expect, test } from "vitest";
import { PrefixTable } from "../wait/prefix-table.ts";
import { OrderedKeys, prefixEnd } from "./ordered-keys.ts";
import { Tombstones } from "./tombstones.ts";

test("OrderedKeys agrees with a sorted array through insertions and deletions that split and empty chunks", () => {
  const keys = new OrderedKeys();
  const model = new Set<string>();
  let seed = 1;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647);
  for (let step = 0; step < 20_000; step++) {
    const key = `${random() % 30}/${random() % 100}`;
    // More insertions first, more deletions later.
    if (random() % 10 < (step < 10_000 ? 7 : 3)) {
      expect(keys.add(key)).toBe(!model.has(key));
      model.add(key);
    } else expect(keys.delete(key)).toBe(model.delete(key));
    if (step % 2000 !== 0) continue;
    const sorted = [...model].sort();
    expect([...keys.withPrefix("")]).toEqual(sorted);
    expect([...keys.withPrefix("2")]).toEqual(sorted.filter((one) => one.startsWith("2")));
    expect(keys.first("15/")).toBe(sorted.find((one) => one >= "15/"));
    expect(keys.size).toBe(model.size);
  }
});

test("prefixEnd() is above every string of the prefix and not above the next", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", minLength: 1 }),
      fc.string({ unit: "binary" }),
      (prefix, rest) => {
        const end = prefixEnd(prefix);
        expect(end === undefined || prefix + rest < end).toBe(true);
        if (end !== undefined) expect(end.startsWith(prefix)).toBe(false);
      },
    ),
  );
  expect(prefixEnd("\uffff")).toBeUndefined();
  expect(prefixEnd("a\uffff")).toBe("b");
});

test("PrefixTable finds exactly the prefixes of a key", () => {
  const words = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 5 }), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(
      words,
      words,
      fc.string({ unit: fc.constantFrom("a", "b", "/") }),
      (prefixes, removed, key) => {
        const table = new PrefixTable<number>();
        for (const prefix of prefixes) table.set(prefix, 1);
        for (const prefix of removed) table.delete(prefix);
        const left = new Set(prefixes.filter((one) => !removed.includes(one)));
        expect(new Set(table.prefixesOf(key))).toEqual(
          new Set([...left].filter((one) => key.startsWith(one))),
        );
        expect(table.size).toBe(left.size);
      },
    ),
  );
});

test("Tombstones forget the older half when full, and the floor covers what was forgotten", () => {
  const forgotten: string[] = [];
  const tombstones = new Tombstones({ max: 4, onForget: (key) => forgotten.push(key) });
  for (const [at, key] of ["a", "b", "c", "a", "d", "e"].entries()) tombstones.bury(key, 10 + at);
  expect(forgotten).toEqual(["b", "c", "a"]);
  expect(tombstones.floor).toBe(13);
  expect(tombstones.size).toBe(2);
  expect(tombstones.get("e")).toBe(15);
});
