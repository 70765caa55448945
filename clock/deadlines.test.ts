/** Shared timers: never early, late by a 64th at most, and gone with the last who waits. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Deadlines } from "./deadlines.ts";
import { type Clock, ManualClock } from "./index.ts";

test("each is told within a 64th of its time, once, and not when removed", async () => {
  const waits = fc.array(fc.record({ delayMs: fc.integer({ min: 1, max: 700_000 }), removed: fc.boolean() }));
  await fc.assert(
    fc.asyncProperty(waits, async (all) => {
      const clock = new ManualClock();
      const deadlines = new Deadlines(clock);
      const told = all.map(({ delayMs, removed }) => {
        const times: number[] = [];
        const item = { due: () => times.push(clock.monotonicMs()) };
        const atMs = deadlines.add(item, delayMs);
        if (removed) deadlines.remove(item, atMs);
        return times;
      });
      await clock.advance(800_000);
      for (const [i, { delayMs, removed }] of all.entries()) {
        const [atMs = Number.NaN] = told[i] ?? [];
        expect(told[i]).toHaveLength(removed ? 0 : 1);
        if (!removed) expect(atMs).toBeGreaterThanOrEqual(delayMs);
        if (!removed) expect(atMs).toBeLessThanOrEqual(Math.max(delayMs + 1, delayMs * (1 + 1 / 64)));
      }
    }),
    { numRuns: 50 },
  );
});

test("ten thousand waits of a minute share a few timers; the last one that leaves ends its timer", () => {
  let timers = 0;
  const clock: Pick<Clock, "monotonicMs" | "setTimer"> = {
    monotonicMs: () => 0,
    setTimer: () => {
      timers++;
      return { cancel: () => void timers-- };
    },
  };
  const deadlines = new Deadlines(clock);
  const items = Array.from({ length: 10_000 }, (_, i) => ({ due: () => undefined, delayMs: 60_000 + i / 4 }));
  const added = items.map((item) => [item, deadlines.add(item, item.delayMs)] as const);
  expect(timers).toBeLessThan(20);
  for (const [item, atMs] of added) deadlines.remove(item, atMs);
  expect(timers).toBe(0);
});
