import { expect, test } from "vitest";
import { elapsedSince, fenceStatus } from "./fence.ts";

const term = { epoch: 7, reclaimAfterMs: 1000, renewedAtMs: 100 };

test("a node may allocate until margin before its blocks can be freed, and not at that moment", () => {
  expect(fenceStatus(term, 999, 100)).toEqual({ kind: "open", epoch: 7, untilMs: 1000 });
  expect(fenceStatus(term, 1000, 100)).toEqual({ kind: "fenced", why: "expired" });
});

test("a node that never joined, or does not know when it was renewed, may not allocate", () => {
  expect(fenceStatus(undefined, 0, 100)).toEqual({ kind: "fenced", why: "not joined" });
  expect(fenceStatus({ epoch: 7, reclaimAfterMs: 1000 }, 0, 100)).toEqual({
    kind: "fenced",
    why: "not renewed",
  });
});

const then = { bootId: "a", steadyMs: 1000, uptimeMs: 2000 };
test.each([
  ["the span, when both clocks agree", { bootId: "a", steadyMs: 1500, uptimeMs: 2500 }, 500],
  ["the longer span, after a suspend", { bootId: "a", steadyMs: 1500, uptimeMs: 9000 }, 7000],
  ["the longer span, when uptime is virtual", { bootId: "a", steadyMs: 9000, uptimeMs: 2100 }, 8000],
  ["nothing, when uptime began anew", { bootId: "a", steadyMs: 9000, uptimeMs: 10 }, undefined],
  ["nothing, in another boot", { bootId: "b", steadyMs: 1500, uptimeMs: 2500 }, undefined],
])("elapsedSince() answers %s", (_name, now, span) => {
  expect(elapsedSince(then, now)).toBe(span);
});
