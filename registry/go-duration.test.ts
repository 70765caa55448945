import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatGoDuration, parseGoDuration } from "./go-duration.ts";

describe("parseGoDuration()", () => {
  test.each([
    ["10s", 10_000],
    ["10.0s", 10_000],
    ["120000ms", 120_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["1h1ms", 3_600_001],
    ["0", 0],
    ["-1s", -1000],
    ["+2us", 0.002],
    ["1µs", 0.001],
    ["0.001s", 1],
  ])("%s is %d ms", (text, ms) => {
    expect(parseGoDuration(text)).toBeCloseTo(ms, 9);
  });

  test.each(["", "s", "10", "10x", "1s ", " 1s", "1.s.", "--1s", "1s2", "1e3s", ".s", "NaNs", "1d"])(
    "%j is none",
    (text) => {
      expect(parseGoDuration(text)).toBeUndefined();
    },
  );

  test("never throws, whatever the text", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseGoDuration(text)));
  });
});

describe("formatGoDuration()", () => {
  test.each([
    [0, "0s"],
    [1, "1ms"],
    [1.5, "1.5ms"],
    [0.001, "1µs"],
    [10_000, "10s"],
    [90_000, "1m30s"],
    [86_400_000, "24h0m0s"],
    [-1500, "-1.5s"],
  ])("%d ms is %s", (ms, text) => {
    expect(formatGoDuration(ms)).toBe(text);
  });

  test("what it prints is read back", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 9 }), (ms) => {
        expect(parseGoDuration(formatGoDuration(ms))).toBeCloseTo(ms, 3);
      }),
    );
  });
});
