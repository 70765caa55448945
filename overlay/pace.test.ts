import { describe, expect, it } from "vitest";
import { Pace } from "./pace.ts";

function paceAfter(
  ...passes: readonly (readonly [durationMs: number, done: number, refused: number])[]
): Pace {
  const pace = new Pace({});
  for (const pass of passes) pace.passed(...pass);
  return pace;
}

describe("Pace", () => {
  it("looks 10 ms after a change while passes are short", () => {
    expect(paceAfter([2, 1, 0]).delayOnChangeMs()).toBe(10);
  });

  it("rests three times as long as a long pass took", () => {
    expect(paceAfter([200, 1, 0]).delayOnChangeMs()).toBe(600);
  });

  it("spaces passes out when each finds work again, up to the maximum", () => {
    const delays = [5, 6, 7, 8, 30].map((n) => paceAfter(...new Array(n).fill([1, 1, 0])).delayOnChangeMs());
    expect(delays).toEqual([10, 20, 40, 80, 10_000]);
  });

  it("is at full speed again after a pass without work, or when forgiven", () => {
    expect(paceAfter(...new Array(20).fill([1, 1, 0]), [1, 0, 0]).delayOnChangeMs()).toBe(10);
    const pace = paceAfter(...new Array(20).fill([1, 1, 1]));
    pace.forgive();
    expect([pace.delayOnChangeMs(), pace.retryDelayMs()]).toEqual([10, undefined]);
  });

  it("retries what was refused ever more seldom, and still follows changes at full speed", () => {
    const delays = [1, 2, 3, 20].map((n) => paceAfter(...new Array(n).fill([1, 0, 1])).retryDelayMs());
    expect(delays).toEqual([100, 200, 400, 10_000]);
    expect(paceAfter(...new Array(20).fill([1, 0, 1])).delayOnChangeMs()).toBe(10);
  });
});
