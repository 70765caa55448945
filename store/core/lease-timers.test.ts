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
