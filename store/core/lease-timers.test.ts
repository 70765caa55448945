import fc from "fast-check";
import { expect, it } from "vitest";
import { ManualClock, type Timer } from "../../clock/index.ts";
import { LeaseTimers } from "./lease-timers.ts";

/** A host so busy that timers come late: here, never. */
class LateClock extends ManualClock {
  override setTimer(): Timer {
    return { cancel: () => {} };
  }
}

it("a lease whose time is over cannot be kept alive, even when its timer is late", async () => {
  const clock = new LateClock();
  const timers = new LeaseTimers(clock, () => {});
  timers.start({ id: "lease", ttlMs: 1000 });
  await clock.advance(999);
  expect(timers.renew("lease")).toBe(true);
  await clock.advance(1000);
  expect(timers.renew("lease")).toBe(false);
});

/** Of sums of fractions. */
const roundingMs = 1e-6;

it("each of many leases ends within a millisecond of its time, kept alive or not, and not once it was stopped", async () => {
  const lease = fc.record({
    ttlMs: fc.integer({ min: 1, max: 60_000 }),
    /** Shares of the TTL between its keep-alives. */
    gaps: fc.array(fc.double({ min: 0.01, max: 0.99, noNaN: true }), { maxLength: 5 }),
    isStopped: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(lease, { maxLength: 20 }), async (all) => {
      const clock = new ManualClock();
      const ended = new Map<string, number[]>();
      const timers = new LeaseTimers(
        clock,
        (id) => void ended.set(id, [...(ended.get(id) ?? []), clock.monotonicMs()]),
      );
      const expected = all.map(({ ttlMs, gaps, isStopped }, i) => {
        timers.start({ id: `${i}`, ttlMs });
        let lastMs = 0;
        for (const gap of gaps) {
          lastMs += gap * ttlMs;
          clock.setTimer(lastMs, () => timers.renew(`${i}`));
        }
        if (isStopped) clock.setTimer(lastMs, () => timers.stop(`${i}`));
        return isStopped ? undefined : lastMs + ttlMs;
      });
      await clock.advance(400_000);
      for (const [i, endMs] of expected.entries()) {
        const found = ended.get(`${i}`) ?? [];
        expect(found).toHaveLength(endMs === undefined ? 0 : 1);
        for (const atMs of found) expect(atMs - (endMs ?? 0)).toBeGreaterThan(-roundingMs);
        for (const atMs of found) expect(atMs - (endMs ?? 0)).toBeLessThanOrEqual(1 + roundingMs);
      }
      expect(timers.size).toBe(0);
    }),
    { numRuns: 200 },
  );
});

it("ten thousand leases that are kept alive share a few timers", async () => {
  let made = 0;
  class CountingClock extends ManualClock {
    override setTimer(delayMs: number, callback: () => void): Timer {
      made += 1;
      return super.setTimer(delayMs, callback);
    }
  }
  const clock = new CountingClock();
  const timers = new LeaseTimers(clock, () => {});
  for (let i = 0; i < 10_000; i++) timers.start({ id: `${i}`, ttlMs: 10_000 });
  made = 0;
  for (let beat = 0; beat < 20; beat++) {
    await clock.advance(2000);
    for (let i = 0; i < 10_000; i++) timers.renew(`${i}`);
  }
  expect(timers.size).toBe(10_000);
  expect(made).toBeLessThan(100);
});
