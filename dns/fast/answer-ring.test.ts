/** The ring against what a list of places would say, and who goes when there is no room. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AnswerRing, type RingBounds, unitBytes, usesBuffer } from "./answer-ring.ts";
import { Dependents } from "./dependents.ts";

function world(bounds: RingBounds) {
  const buffer = usesBuffer(bounds);
  const uses = new Uint8Array(buffer);
  const ring = new AnswerRing(bounds, buffer);
  /** Place → bytes. */
  const held = new Map<number, number>();
  const take = (bytes: number) => {
    const evicted: number[] = [];
    const at = ring.take(bytes, (place) => {
      evicted.push(place);
      if (!held.delete(place)) throw new Error(`${place} is nobody's`);
    });
    if (at >= 0) held.set(at, bytes);
    return { at, evicted };
  };
  const free = (place: number) => {
    if (held.delete(place)) ring.free(place);
  };
  const use = (place: number) => void uses.fill(1, place / unitBytes, place / unitBytes + 1);
  return { ring, held, take, free, use };
}

describe("the ring", () => {
  test("never gives the same room twice, keeps both bounds, and takes whatever fits", () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("take" as const),
          number: fc.integer({ min: 1, max: 700 }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("free" as const), number: fc.nat(40) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("use" as const), number: fc.nat(40) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const), number: fc.constant(0) }) },
    );
    const bounds = fc.record({
      entriesMax: fc.integer({ min: 1, max: 30 }),
      bytesMax: fc.integer({ min: 64, max: 4096 }),
    });
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 150 }), (limits, steps) => {
        const { ring, held, take, free, use } = world(limits);
        for (const { kind, number } of steps) {
          const place = [...held.keys()][number];
          if (kind === "free" && place !== undefined) free(place);
          if (kind === "use" && place !== undefined) use(place);
          if (kind === "clear") {
            ring.clear();
            held.clear();
          }
          if (kind === "take") {
            const { at } = take(number);
            const unitsMax = Math.floor(limits.bytesMax / unitBytes);
            expect(at >= 0).toBe(Math.ceil(number / unitBytes) <= unitsMax);
          }
          expect(held.size).toBeLessThanOrEqual(limits.entriesMax);
          let end = 0;
          for (const [from, bytes] of [...held].sort(([a], [b]) => a - b)) {
            expect(from).toBeGreaterThanOrEqual(end);
            end = from + bytes;
          }
          expect(end).toBeLessThanOrEqual(limits.bytesMax);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("nothing goes while there is room", () => {
    const { take } = world({ entriesMax: 1000, bytesMax: 100 * 64 });
    for (let i = 0; i < 100; i++) expect(take(64).evicted).toEqual([]);
    expect(take(64).evicted).toHaveLength(1);
  });

  test.each([
    ["entries", { entriesMax: 64, bytesMax: 1 << 20 }],
    ["bytes", { entriesMax: 1000, bytesMax: 64 * 64 }],
  ])("at the bound of %s what is asked for stays, and what is not goes", (_, bounds) => {
    const { take, use, held } = world(bounds);
    const hot = Array.from({ length: 16 }, () => take(64).at);
    for (let i = 0; i < 1000; i++) {
      for (const place of hot) use(place);
      take(64);
    }
    for (const place of hot) expect(held.has(place)).toBe(true);
    expect(held.size).toBe(64);
    for (let i = 0; i < 200; i++) take(64);
    expect(take(64).evicted).toHaveLength(1);
  });

  test("a large answer takes the room of a few neighbours, not of many", () => {
    const { take, use, held } = world({ entriesMax: 10_000, bytesMax: 1000 * 64 });
    for (let i = 0; i < 1000; i++) take(64);
    let random = 1;
    for (let i = 0; i < 300; i++) {
      for (const place of held.keys()) {
        random = (random * 48_271) % 0x7fffffff;
        if (random % 10 < 8) use(place);
      }
      expect(take(256).evicted.length).toBeLessThanOrEqual(4);
    }
    expect(held.size).toBeGreaterThan(250);
  });

  test("room that was freed is used before any answer goes", () => {
    const { take, free, held } = world({ entriesMax: 1000, bytesMax: 100 * 64 });
    const places = Array.from({ length: 100 }, () => take(64).at);
    for (const place of places.slice(0, 10)) free(place);
    for (let i = 0; i < 10; i++) expect(take(64).evicted).toEqual([]);
    expect(held.size).toBe(100);
  });
});

test("of an answer that went nothing is left, and its sources find the others", () => {
  const dependents = new Dependents();
  dependents.add(0, ["service/web", "nodes", "nodes"]);
  dependents.add(64, ["service/web"]);
  expect(dependents.of("service/web")).toEqual([0, 64]);
  dependents.delete(0);
  expect(dependents.of("service/web")).toEqual([64]);
  expect(dependents.of("nodes")).toEqual([]);
  dependents.delete(64);
  expect(dependents.size).toBe(0);
});
