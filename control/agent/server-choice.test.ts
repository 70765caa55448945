import { describe, expect, it } from "vitest";
import {
  afterFailure,
  afterSession,
  firstChoice,
  restOfRound,
  type ServerChoice,
  waitBeforeMs,
} from "./server-choice.ts";

const limits = { backoffMinMs: 100, backoffMaxMs: 1000 };

function waits(servers: number, attempts: number, random: number): number[] {
  let choice: ServerChoice = firstChoice;
  return Array.from({ length: attempts }, () => {
    const waitMs = waitBeforeMs(choice, servers, limits, () => random);
    choice = afterFailure(choice, servers);
    return waitMs;
  });
}

describe("the next server", () => {
  it("is tried at once within a round, and ever later after each round", () => {
    expect(waits(2, 9, 1)).toEqual([0, 0, 100, 0, 200, 0, 400, 0, 800]);
    expect(waits(1, 8, 1)).toEqual([0, 100, 200, 400, 800, 1000, 1000, 1000]);
    expect(waits(1, 3, 0)).toEqual([0, 50, 100]);
  });

  it("stands in one round with those that may be tried after it without a wait", () => {
    expect(restOfRound({ next: 2, failures: 0 }, 3).map(({ next }) => next)).toEqual([2, 0, 1]);
    expect(restOfRound({ next: 2, failures: 4 }, 3)).toEqual([
      { next: 2, failures: 4 },
      { next: 0, failures: 5 },
    ]);
    expect(restOfRound({ next: 0, failures: 7 }, 1)).toEqual([{ next: 0, failures: 7 }]);
  });

  const choice = { next: 1, failures: 7 };
  const next = (stoodMs: number, code: string) =>
    afterSession(choice, 3, { stoodMs, code }, { stableAfterMs: 1000 });

  it("after a loss is another one, at once", () => {
    const lost = next(1000, "CONTROL_UNAVAILABLE");
    expect(lost).toEqual({ next: 2, failures: 0 });
    expect(waitBeforeMs(lost, 3, limits, () => 1)).toBe(0);
  });

  it("is the same, at once, when it only ended the node's term", () => {
    expect(next(1000, "IPAM_STALE_EPOCH")).toEqual({ next: 1, failures: 0 });
  });

  it("is another one, and counts as failed, after what broke at once or was taken over", () => {
    const failed = { next: 2, failures: 8 };
    expect(next(999, "CONTROL_UNAVAILABLE")).toEqual(failed);
    expect(next(999, "IPAM_STALE_EPOCH")).toEqual(failed);
    expect(next(60_000, "CONTROL_REPLACED")).toEqual(failed);
  });
});
