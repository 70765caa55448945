/**
 * The simulation finds nothing wrong, gives the same run for the same seed, and does find each bug that is planted.
 * `npm run chaos` runs more seeds and longer.
 */
import { expect, it } from "vitest";
import { type RunResult, simulate } from "./simulate.ts";
import type { PlantedBug } from "./world.ts";

/** Short lives for many seeds, longer ones to meet what is planted. */
const steps = 400;
const huntSteps = 500;

async function firstFailure(bug: PlantedBug, seedsMax: number): Promise<RunResult | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const result = await simulate({ seed, steps: huntSteps, bug, pace: "minutes" });
    if (result.violation !== undefined) return result;
  }
  return undefined;
}

it("no promise is broken under any of 200 seeds", { timeout: 600_000 }, async () => {
  const done = { allocated: 0, written: 0, registered: 0, watched: 0 };
  for (let seed = 1; seed <= 200; seed++) {
    const result = await simulate({ seed, steps, pace: "minutes" });
    expect(result.violation, `seed ${seed}:\n${result.trace.join("\n")}`).toBeUndefined();
    for (const what of ["allocated", "written", "registered", "watched"] as const)
      done[what] += result.done[what];
  }
  expect(done.allocated).toBeGreaterThan(60);
  expect(done.written).toBeGreaterThan(60);
  expect(done.registered).toBeGreaterThan(60);
  expect(done.watched).toBeGreaterThan(100);
});

it("nor in the days after which a real fabric gives blocks of lost nodes away", {
  timeout: 300_000,
}, async () => {
  for (const seed of [1, 2]) {
    const result = await simulate({ seed, steps, pace: "days" });
    expect(result.violation, `seed ${seed}:\n${result.trace.join("\n")}`).toBeUndefined();
  }
});

it("a seed gives the same run every time, and another seed another one", async () => {
  const [one, again, other] = [
    await simulate({ seed: 7, steps }),
    await simulate({ seed: 7, steps }),
    await simulate({ seed: 8, steps }),
  ];
  expect(again).toEqual(one);
  expect(other.digest).not.toBe(one.digest);
});

it.each<[PlantedBug, RegExp]>([
  ["no fence", /is (held|leased) by|the kernels of/],
  ["early reclaim", /is (held|leased) by|the kernels of/],
  ["no fsync", /the restart of n\d lost the (lease|registration|deregistration)/],
  ["late resume", /shows kv\/|the watch of|all is at rest/],
  ["no lease", /the lease of n\d ends/],
  ["forgotten row", /the kernel of n\d is repaired|all is at rest: the kernel/],
])("finds the planted bug: %s", { timeout: 600_000 }, async (bug, message) => {
  const found = await firstFailure(bug, 300);
  expect(found?.violation).toMatch(message);
  const replayed = await simulate({ seed: found?.seed ?? 0, steps: huntSteps, bug, pace: "minutes" });
  expect(replayed).toEqual(found);
});
