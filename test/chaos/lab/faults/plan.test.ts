import fc from "fast-check";
import { expect, it } from "vitest";
import { seeded } from "../../../fuzz/mutate.ts";
import { groupOf, hurtables } from "./hurtables.ts";
import { allKinds, atOnceMax, planFaults, printPlan } from "./plan.ts";

const forMs = 300_000;
const planOf = (seed: number) => planFaults(seeded(seed), hurtables, forMs);

it("planFaults() plans the same for the same seed, and something else for another", () => {
  expect(planOf(1)).toEqual(planOf(1));
  expect(printPlan(planOf(1))).not.toEqual(printPlan(planOf(2)));
});

it("planFaults() never plans too many at once, two of one group, or one into a calm, and ends in time", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { faults, calms } = planOf(seed);
      expect(calms).toHaveLength(2);
      for (const fault of faults) {
        const standing = faults.filter(
          ({ atMs, lastsMs }) => atMs <= fault.atMs && fault.atMs <= atMs + lastsMs,
        );
        expect(standing.length).toBeLessThanOrEqual(atOnceMax);
        expect(new Set(standing.map(({ target }) => groupOf(target))).size).toBe(standing.length);
        const endMs = fault.atMs + fault.lastsMs;
        expect(endMs).toBeLessThanOrEqual(forMs);
        for (const { atMs, lastsMs } of calms)
          expect(endMs <= atMs || fault.atMs >= atMs + lastsMs).toBe(true);
      }
    }),
    { numRuns: 20 },
  );
});

it("planFaults() plans every kind, and hardly one more often than another", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { faults } = planOf(seed);
      const counts = allKinds.map((kind) => faults.filter((fault) => fault.kind === kind).length);
      expect(Math.min(...counts)).toBeGreaterThan(2);
      expect(Math.max(...counts)).toBeLessThanOrEqual(2 * Math.min(...counts));
    }),
    { numRuns: 20 },
  );
});

it("planFaults() of some kinds plans no other", () => {
  const { faults } = planFaults(seeded(1), hurtables, forMs, ["cut", "quorum"]);
  expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(["cut", "quorum"]));
});
