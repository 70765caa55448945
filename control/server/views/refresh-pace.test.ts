import { expect, test } from "vitest";
import { ManualClock } from "../../../clock/index.ts";
import { RefreshPace, restMaxMs } from "./refresh-pace.ts";

/** A refresh that takes so long by a clock that nothing else moves. */
function fixture(tookMs: number) {
  const clock = new ManualClock();
  let aheadMs = 0;
  let runs = 0;
  const slow = {
    monotonicMs: () => clock.monotonicMs() + aheadMs,
    wallMs: () => clock.wallMs(),
    setTimer: clock.setTimer.bind(clock),
    sleep: clock.sleep.bind(clock),
  };
  const pace = new RefreshPace(slow, () => {
    runs += 1;
    aheadMs += tookMs;
  });
  return { clock, pace, runs: () => runs };
}

test("what is asked for any number of times in one turn is done once, in the next", async () => {
  const { pace, runs } = fixture(0);
  for (let n = 0; n < 3; n++) pace.ask();
  expect(runs()).toBe(0);
  await pace.settled();
  pace.ask();
  await pace.settled();
  expect(runs()).toBe(2);
});

test("a refresh that took long is followed by a rest of four times as long, and never of more than the most", async () => {
  for (const [tookMs, restMs] of [
    [10, 40],
    [10_000, restMaxMs],
  ] as const) {
    const { clock, pace, runs } = fixture(tookMs);
    pace.ask();
    await pace.settled();
    pace.ask();
    await clock.advance(restMs - 1);
    expect(runs()).toBe(1);
    await clock.advance(1);
    await pace.settled();
    expect(runs()).toBe(2);
  }
});
