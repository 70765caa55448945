/**
 * The simulation finds nothing wrong, gives the same run for the same seed, and does find each bug that is planted.
 * `npm run chaos` runs more seeds and longer.
 */
import { expect, it } from "vitest";
import { type RunResult, simulate } from "./simulate.ts";
import type { PlantedBug } from "./world.ts";

/** Short lives for many seeds, longer ones to meet what is planted. */
const steps = 1000;
const huntSteps = 2500;

async function firstFailure(bug: PlantedBug, seedsMax: number): Promise<RunResult | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const result = await simulate({ seed, steps: huntSteps, bug });
    if (result.violation !== undefined) return result;
  }
  return undefined;
}

it("no promise is broken under any of 200 seeds", { timeout: 120_000 }, async () => {
  const done = { allocated: 0, written: 0, registered: 0, watched: 0 };
  for (let seed = 1; seed <= 200; seed++) {
    const result = await simulate({ seed, steps });
    expect(result.violation, `seed ${seed}:\n${result.trace.join("\n")}`).toBeUndefined();
    for (const what of ["allocated", "written", "registered", "watched"] as const)
      done[what] += result.done[what];
  }
  expect(done.allocated).toBeGreaterThan(150);
  expect(done.written).toBeGreaterThan(100);
  expect(done.registered).toBeGreaterThan(50);
  expect(done.watched).toBeGreaterThan(300);
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
  ["no fence", /is (held|leased) by/],
  ["no fsync", /the restart of n\d lost the (lease|registration|deregistration)/],
  ["late resume", /shows kv\/|the watch of|no convergence/],
])("finds the planted bug: %s", { timeout: 120_000 }, async (bug, message) => {
  const found = await firstFailure(bug, 400);
  expect(found?.violation).toMatch(message);
  const replayed = await simulate({ seed: found?.seed ?? 0, steps: huntSteps, bug });
  expect(replayed).toEqual(found);
});
