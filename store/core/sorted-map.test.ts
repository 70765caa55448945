import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SortedMap } from "./sorted-map.ts";

type Entry = readonly [string, number];

/** The simple reference: a plain Map, sorted when it is read. */
function sorted(reference: ReadonlyMap<string, number>): Entry[] {
  return [...reference].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function entries(map: SortedMap<number>, from = ""): Entry[] {
  const found: Entry[] = [];
  map.scan(from, (key, value) => {
    found.push([key, value]);
    return true;
  });
  return found;
}

const key = fc.oneof(
  fc.nat(300).map((n) => `k${n}`),
  fc.string({ unit: "binary", maxLength: 3 }),
);
const change = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(key, fc.nat()) },
  { weight: 2, arbitrary: fc.tuple(key, fc.constant(undefined)) },
);

describe("SortedMap", () => {
  it("holds what a Map holds, in order, through any inserts and deletes", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 600 }), key, (changes, from) => {
        const reference = new Map<string, number>();
        let map = SortedMap.empty<number>();
        for (const [name, value] of changes) {
          if (value === undefined) reference.delete(name);
          else reference.set(name, value);
          map = value === undefined ? map.without(name) : map.with(name, value);
        }
        expect(entries(map)).toEqual(sorted(reference));
        expect(entries(map, from)).toEqual(sorted(reference).filter(([name]) => name >= from));
        expect(map.size).toBe(reference.size);
        for (const [name] of changes) expect(map.get(name)).toBe(reference.get(name));
      }),
    );
  });

  it("never changes: an older version reads as before", () => {
    fc.assert(
      fc.property(fc.array(key, { minLength: 1, maxLength: 200 }), (names) => {
        const old = SortedMap.from(names.map((name, index): Entry => [name, index]));
        const before = entries(old);
        let map = old;
        for (const name of names) map = map.without(name).with(`${name}+`, -1);
        expect(entries(old)).toEqual(before);
      }),
    );
  });

  it("is the same made at once or one by one, whatever the order", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.nat()), { maxLength: 200 }), (list) => {
        const reference = new Map(list);
        expect(entries(SortedMap.from(list))).toEqual(sorted(reference));
        expect(entries(SortedMap.from(sorted(reference)))).toEqual(sorted(reference));
      }),
    );
  });

  it("reads a prefix from a key on, up to a limit", () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 200 }), key, key, fc.nat(5), (names, prefix, from, limit) => {
        const list = [...new Set(names)].map((name, index): Entry => [name, index]);
        const expected = sorted(new Map(list)).filter(([name]) => name.startsWith(prefix) && name >= from);
        const found = SortedMap.from(list).prefix(prefix, limit, from);
        expect(found).toEqual(expected.slice(0, limit).map(([, value]) => value));
      }),
    );
  });

  it("holds 100,000 keys that come in order, leave in order and come at random", () => {
    const count = 100_000;
    const name = (n: number) => `key/${n}`.padEnd(12, "_");
    let map = SortedMap.empty<number>();
    for (let n = 0; n < count; n++) map = map.with(name(n), n);
    for (let n = 0; n < count; n += 2) map = map.without(name(n));
    for (let n = 0; n < count; n++) map = map.with(name((n * 7919) % count), n);
    expect(map.size).toBe(count);
    const names = entries(map).map(([found]) => found);
    expect(names).toEqual(Array.from({ length: count }, (_, n) => name(n)).toSorted());
  });
});
