import { describe, expect, it } from "vitest";
import { type FencedWrite, type Hold, lockViolations } from "./fenced-locks.ts";

function hold(session: string, fence: number, acquiredMs: number, releasedMs?: number, lock = "l"): Hold {
  return { lock, session, fence, acquireInvokedMs: acquiredMs - 1, acquiredMs, releasedMs };
}

function write(session: string, fence: number, atMs: number): FencedWrite {
  return { lock: "l", session, fence, invokedMs: atMs, returnedMs: atMs + 1 };
}

describe("lockViolations()", () => {
  it("finds nothing where one follows the other, or two hold different locks", () => {
    const holds = [hold("a", 1, 10, 20), hold("b", 2, 30, 40), hold("c", 1, 10, 20, "other")];
    expect(lockViolations(holds, [write("a", 1, 15), write("b", 2, 35)])).toEqual([]);
  });

  it("finds nothing where a session's end is unknown: another may have it before its client knows", () => {
    expect(lockViolations([hold("a", 1, 10), hold("b", 2, 12, 40)], [])).toEqual([]);
  });

  it("finds two that held it at once, whatever their order", () => {
    const holds = [hold("a", 1, 10, 20), hold("b", 2, 15, 30)];
    expect(lockViolations(holds, [])).toEqual(["l: a and b held it at once"]);
    expect(lockViolations(holds.toReversed(), [])).toEqual(["l: a and b held it at once"]);
  });

  it("finds a fence given twice", () => {
    expect(lockViolations([hold("a", 1, 10), hold("b", 1, 30)], [])).toEqual([
      "l: a and b had the same fence 1",
    ]);
  });

  it("finds a fence that falls", () => {
    expect(lockViolations([hold("a", 2, 10), hold("b", 1, 30)], [])).toEqual([
      "l: a and b: the later had the lower fence, 1 after 2",
    ]);
  });

  it("finds a write of a holder of old, but none where the two were concurrent", () => {
    expect(lockViolations([], [write("b", 2, 10), write("a", 1, 20)])).toEqual([
      "l: a wrote with fence 1 after b with 2",
    ]);
    expect(lockViolations([], [write("b", 2, 10), write("a", 1, 11)])).toEqual([]);
  });
});
