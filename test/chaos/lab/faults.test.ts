import fc from "fast-check";
import { expect, it } from "vitest";
import { seeded } from "../../fuzz/mutate.ts";
import { atOnceMax, planFaults } from "./faults.ts";

const targets = ["h1", "h2", "h3", "h4", "s1", "s2", "etcd1", "etcd2", "etcd3"];
const forMs = 60_000;

it("planFaults() plans the same for the same seed, and something else for another", () => {
  expect(planFaults(seeded(1), targets, forMs)).toEqual(planFaults(seeded(1), targets, forMs));
  expect(planFaults(seeded(1), targets, forMs)).not.toEqual(planFaults(seeded(2), targets, forMs));
});

it("planFaults() never plans too many at once, two of one target, or two members of etcd, and ends in time", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const plan = planFaults(seeded(seed), targets, forMs);
      expect(plan.length).toBeGreaterThan(10);
      for (const fault of plan) {
        const standing = plan.filter(
          ({ atMs, lastsMs }) => atMs <= fault.atMs && fault.atMs <= atMs + lastsMs,
        );
        expect(standing.length).toBeLessThanOrEqual(atOnceMax);
        expect(new Set(standing.map(({ target }) => target.replace(/^etcd\d/, "etcd"))).size).toBe(
          standing.length,
        );
        expect(fault.atMs + fault.lastsMs).toBeLessThanOrEqual(forMs);
      }
    }),
    { numRuns: 50 },
  );
});
