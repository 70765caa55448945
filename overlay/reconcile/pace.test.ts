import { describe, expect, it } from "vitest";
import { Pace } from "./pace.ts";

/** A pace after `n` passes of 1 ms, one every 20 ms, and the time it is then. */
function paceAfter(
  n: number,
  done: number,
  refused: number,
): { readonly pace: Pace; readonly nowMs: number } {
  const pace = new Pace();
  for (let i = 1; i <= n; i++) pace.passed(i * 20, 1, done, refused);
  return { pace, nowMs: n * 20 };
}

function delayAfter(n: number, done: number, refused = 0): number {
  const { pace, nowMs } = paceAfter(n, done, refused);
  return pace.delayMs(nowMs);
}

describe("Pace", () => {
  it("looks 10 ms after a change while passes are short", () => {
    expect(delayAfter(1, 1)).toBe(10);
  });

  it("rests as long as a long pass took, counted from its end", () => {
    const pace = new Pace();
    pace.passed(1000, 200, 1, 0);
    expect([1000, 1100, 1200, 9000].map((nowMs) => pace.delayMs(nowMs))).toEqual([200, 100, 10, 10]);
  });

  it("spaces repairs out when there is no end to them, up to the maximum", () => {
    expect([50, 51, 52, 53, 90].map((n) => delayAfter(n, 1))).toEqual([10, 20, 40, 80, 10_000]);
  });

  it("is at full speed again after a pass without work, after a while, or when forgiven", () => {
    const idle = paceAfter(80, 1, 0);
    idle.pace.passed(idle.nowMs, 1, 0, 0);
    expect(idle.pace.delayMs(idle.nowMs)).toBe(10);
    const rested = paceAfter(80, 1, 0);
    rested.pace.passed(rested.nowMs + 60_000, 1, 1, 0);
    expect(rested.pace.delayMs(rested.nowMs + 60_000)).toBe(10);
    const { pace, nowMs } = paceAfter(80, 1, 1);
    pace.forgive();
    expect([pace.delayMs(nowMs), pace.retryMs()]).toEqual([10, undefined]);
  });

  it("retries what was refused ever more seldom, and still follows changes at full speed", () => {
    expect([1, 2, 3, 20].map((n) => paceAfter(n, 0, 1).pace.retryMs())).toEqual([100, 200, 400, 10_000]);
    expect(delayAfter(20, 0, 1)).toBe(10);
  });
});
