import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judge, type Operation, type Value } from "./linearizable.ts";

const read = (value: Value, invokedMs: number, returnedMs: number): Operation => {
  return { kind: "read", value, invokedMs, returnedMs };
};
const write = (value: Value, invokedMs: number, returnedMs?: number): Operation => {
  return { kind: "write", value, invokedMs, returnedMs };
};
const cas = (
  expected: Value,
  value: Value,
  swapped: boolean | undefined,
  invokedMs: number,
  returnedMs?: number,
): Operation => ({ kind: "cas", expected, value, swapped, invokedMs, returnedMs });

const linearizable: readonly (readonly [name: string, history: readonly Operation[]])[] = [
  ["nothing", []],
  ["one after the other", [read(undefined, 0, 1), write("a", 2, 3), read("a", 4, 5)]],
  ["a read beside a write sees either", [write("a", 0, 9), read(undefined, 1, 2), read("a", 3, 4)]],
  ["two writes at once, in the order of the reads", [write("a", 0, 9), write("b", 0, 9), read("b", 10, 11)]],
  ["a lost write that came late", [write("a", 0), read(undefined, 1, 2), write("b", 3, 4), read("a", 5, 6)]],
  ["a lost write that never came", [write("a", 0), read(undefined, 1, 2), read(undefined, 100, 101)]],
  ["a swap after what it expected", [write("a", 0, 1), cas("a", "b", true, 2, 3), read("b", 4, 5)]],
  ["a swap refused", [write("a", 0, 1), cas("z", "b", false, 2, 3), read("a", 4, 5)]],
  [
    "a refusal that only a lost write explains",
    [write("a", 0, 1), write("x", 2), cas("a", "b", false, 3, 4), read("x", 5, 6)],
  ],
  ["a lost swap that was made", [write("a", 0, 1), cas("a", "b", undefined, 2), read("b", 3, 4)]],
  ["a lost swap that was refused", [write("a", 0, 1), cas("z", "b", undefined, 2), read("a", 3, 4)]],
  ["one of two swaps at once", [cas(undefined, "a", true, 0, 5), cas(undefined, "b", false, 0, 5)]],
  ["a deletion", [write("a", 0, 1), write(undefined, 2, 3), read(undefined, 4, 5)]],
  ["a return and a call at the same time are concurrent", [write("a", 0, 1), read(undefined, 1, 2)]],
];

const broken: readonly (readonly [name: string, history: readonly Operation[], culprit: number])[] = [
  ["a read of what was never written", [read("a", 0, 1)], 0],
  ["a lost acknowledged write", [write("a", 0, 1), read(undefined, 2, 3)], 1],
  ["a stale read", [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)], 2],
  ["a value that goes back", [write("a", 0, 9), read("a", 1, 2), read(undefined, 3, 4)], 2],
  ["a write read before it was called", [read("a", 0, 1), write("a", 2, 3)], 0],
  ["two swaps of one value", [cas(undefined, "a", true, 0, 5), cas(undefined, "b", true, 0, 6)], 1],
  ["a swap refused for nothing", [write("a", 0, 1), cas("a", "b", false, 2, 3)], 1],
  ["a swap made without what it expected", [write("a", 0, 1), cas("z", "b", true, 2, 3)], 1],
  ["a refused swap that happened", [write("a", 0, 1), cas("a", "b", false, 2, 9), read("b", 10, 11)], 1],
  [
    "a lost write that took effect twice",
    [write("a", 0), read("a", 1, 2), write("b", 3, 4), read("b", 5, 6), read("a", 7, 8)],
    4,
  ],
  [
    "a lost swap read without what it expected",
    [write("a", 0, 1), cas("z", "b", undefined, 2), read("b", 3, 4)],
    2,
  ],
  ["a deletion that did not hold", [write("a", 0, 1), write(undefined, 2, 3), read("a", 4, 5)], 2],
];

describe("judge()", () => {
  it.each(linearizable)("finds an order of %s", (_, history) => {
    expect(judge(history)).toEqual({ kind: "linearizable" });
  });

  it.each(broken)("finds no order of %s", (_, history, culprit) => {
    expect(judge(history)).toMatchObject({ kind: "broken", operation: history[culprit] });
  });

  it("says what the register may have held", () => {
    expect(judge([write("a", 0), write("b", 1, 2), read("c", 3, 4)])).toMatchObject({
      possible: expect.arrayContaining(["a", "b"]),
    });
  });

  it("begins with what it is told", () => {
    expect(judge([read("a", 0, 1)], { initial: "a" })).toEqual({ kind: "linearizable" });
  });

  it("says so when the search is too wide", () => {
    const lost = Array.from({ length: 20 }, (_, index) => write(`${index}`, index));
    const history = [...lost, write("end", 100, 101)];
    expect(judge(history, { configurationsMax: 100 }).kind).toBe("undecided");
  });

  it("finds an order of whatever a register answered, and none once a later read is falsified", () => {
    const step = fc.record({
      kind: fc.constantFrom("read", "write", "cas", "lost"),
      before: fc.nat(30),
      after: fc.nat(30),
      expected: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
        let value: Value;
        const history = steps.map(({ kind, before, after, expected }, index): Operation => {
          const atMs = index * 10 + 100;
          const [invokedMs, returnedMs] = [atMs - before, atMs + after];
          if (kind === "read") return { kind, value, invokedMs, returnedMs };
          if (kind === "cas") {
            const wanted = expected < 3 ? value : `${expected}`;
            const swapped = wanted === value;
            if (swapped) value = `${index}`;
            return { kind, expected: wanted, value: `${index}`, swapped, invokedMs, returnedMs };
          }
          if (kind === "write" || expected < 3) value = `${index}`;
          return {
            kind: "write",
            value: `${index}`,
            invokedMs,
            returnedMs: kind === "lost" ? undefined : returnedMs,
          };
        });
        expect(judge(history)).toEqual({ kind: "linearizable" });
        expect(judge([...history, read("never written", 1000, 1001)]).kind).toBe("broken");
      }),
      { numRuns: 300 },
    );
  });
});
