import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeaseSightings } from "./lease-sightings.ts";

const limits = { gapMaxMs: 5000, strayMs: 60_000 };
const ttlOf = (id: string) => (id === "stray" ? undefined : 10_000);

function looks(found: readonly (readonly [atMs: number, rows: Record<string, number>])[]): string[] {
  const sightings = new LeaseSightings(limits);
  return found.flatMap(([atMs, rows]) =>
    [...sightings.look(new Map(Object.entries(rows)), ttlOf, atMs).keys()].map((id) => `${atMs}: ${id}`),
  );
}

describe("sightings of leases", () => {
  it("find one overdue that stood still for its time", () => {
    const rows = Array.from({ length: 12 }, (_, second) => [second * 1000, { a: 7 }] as const);
    expect(looks(rows)).toEqual(["10000: a", "11000: a"]);
  });

  it("count from the look that found it renewed", () => {
    const rows = Array.from(
      { length: 15 },
      (_, second) => [second * 1000, { a: second < 4 ? 7 : 9 }] as const,
    );
    expect(looks(rows)).toEqual(["14000: a"]);
  });

  it("begin anew when nobody looked for a while, or a look failed", () => {
    const seconds = [0, 1, 2, 3, 4, 5, 11, 12, 15, 20];
    expect(looks(seconds.map((second) => [second * 1000, { a: 7 }] as const))).toEqual([]);
    const sightings = new LeaseSightings(limits);
    const look = (second: number) => sightings.look(new Map([["a", 7]]), ttlOf, second * 1000).size;
    for (const second of [0, 4, 8]) expect(look(second)).toBe(0);
    sightings.forget();
    for (const second of [12, 16, 20]) expect(look(second)).toBe(0);
    expect(look(22)).toBe(1);
  });

  it("leave a key alone whose lease is on its way into the log, for a minute", () => {
    const rows = Array.from({ length: 62 }, (_, second) => [second * 1000, { stray: 1 }] as const);
    expect(looks(rows)).toEqual(["60000: stray", "61000: stray"]);
  });

  it("never find one overdue within its time of a renewal", () => {
    const step = fc.record({ afterMs: fc.integer({ min: 1, max: 7000 }), renews: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const sightings = new LeaseSightings(limits);
        let nowMs = 0;
        let renewedAtMs = 0;
        let index = 1;
        for (const { afterMs, renews } of steps) {
          if (renews) {
            // Some time between this look and the last.
            renewedAtMs = nowMs + afterMs / 2;
            index++;
          }
          nowMs += afterMs;
          const overdue = sightings.look(new Map([["a", index]]), ttlOf, nowMs);
          if (overdue.size > 0) expect(nowMs - renewedAtMs).toBeGreaterThanOrEqual(10_000);
        }
      }),
    );
  });
});
