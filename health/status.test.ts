import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CheckStatus } from "./check.ts";
import { initialStatus, type StatusInput, type StatusPolicy, stepStatus, wakeAtMs } from "./status.ts";

const base: StatusPolicy = {
  successBeforePassing: 1,
  failuresBeforeWarning: 1,
  failuresBeforeCritical: 1,
  outputIntervalMs: 60_000,
};
const statuses: readonly CheckStatus[] = ["passing", "warning", "critical"];

/** Feeds results one second apart and answers the status after each. */
function run(policy: StatusPolicy, initial: CheckStatus, results: readonly CheckStatus[]): CheckStatus[] {
  let state = initialStatus(policy, initial, 0);
  return results.map((status, index) => {
    const input: StatusInput = { kind: "result", status, output: status };
    state = stepStatus(policy, state, input, index * 1000).state;
    return state.status;
  });
}

const [p, w, c] = statuses as ["passing", "warning", "critical"];

describe("thresholds", () => {
  it.each<[string, Partial<StatusPolicy>, CheckStatus, CheckStatus[], CheckStatus[]]>([
    ["default: every result counts", {}, c, [p, w, c, p], [p, w, c, p]],
    ["3 successes pass", { successBeforePassing: 3 }, c, [p, p, p], [c, c, p]],
    ["a failure starts the successes anew", { successBeforePassing: 2 }, c, [p, c, p, p], [c, c, c, p]],
    ["a warning is a success", { successBeforePassing: 2 }, c, [w, p], [c, p]],
    [
      "2 failures warn and 4 are critical",
      { failuresBeforeWarning: 2, failuresBeforeCritical: 4 },
      p,
      [c, c, c, c],
      [p, w, w, c],
    ],
    [
      "a success starts the failures anew",
      { failuresBeforeWarning: 2, failuresBeforeCritical: 2 },
      p,
      [c, p, c, c],
      [p, p, p, c],
    ],
    [
      "without its own threshold nothing warns",
      { failuresBeforeWarning: 3, failuresBeforeCritical: 3 },
      p,
      [c, c, c],
      [p, p, c],
    ],
  ])("%s", (_name, policy, initial, results, expected) => {
    expect(run({ ...base, ...policy }, initial, results)).toEqual(expected);
  });

  it("is critical exactly when the last N results failed, or was and M have not succeeded since", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.constantFrom(p, c), { maxLength: 40 }),
        (successBeforePassing, failures, results) => {
          const policy = {
            ...base,
            successBeforePassing,
            failuresBeforeWarning: failures,
            failuresBeforeCritical: failures,
          };
          const seen = run(policy, c, results);
          let expected: CheckStatus = c;
          results.forEach((_, index) => {
            const tail = (count: number) => results.slice(Math.max(0, index + 1 - count), index + 1);
            const all = (count: number, status: CheckStatus) =>
              tail(count).length === count && tail(count).every((each) => each === status);
            if (all(failures, c)) expected = c;
            if (all(successBeforePassing, p)) expected = p;
            expect(seen[index]).toBe(expected);
          });
        },
      ),
    );
  });

  it("do not hold back what is set by hand", () => {
    const policy = { ...base, successBeforePassing: 5 };
    const step = stepStatus(policy, initialStatus(policy, c, 0), { kind: "set", status: p, output: "" }, 1);
    expect(step.effects).toEqual([{ kind: "report", status: p, output: "" }]);
  });
});

describe("output", () => {
  it("alone is reported at most once an interval, and the last one is not lost", () => {
    let state = initialStatus(base, c, 0);
    const reports: [number, string][] = [];
    const feed = (input: StatusInput, nowMs: number) => {
      const step = stepStatus(base, state, input, nowMs);
      state = step.state;
      for (const effect of step.effects) if (effect.kind === "report") reports.push([nowMs, effect.output]);
    };
    for (let second = 0; second < 10; second += 1)
      feed({ kind: "result", status: p, output: `n${second}` }, second * 1000);
    expect(reports).toEqual([[0, "n0"]]);
    expect(wakeAtMs(base, state)).toBe(60_000);
    feed({ kind: "tick" }, 60_000);
    expect(reports).toEqual([
      [0, "n0"],
      [60_000, "n9"],
    ]);
    expect(wakeAtMs(base, state)).toBeUndefined();
  });

  it("travels with a transition at once", () => {
    let state = initialStatus(base, c, 0);
    state = stepStatus(base, state, { kind: "result", status: p, output: "up" }, 0).state;
    const step = stepStatus(base, state, { kind: "result", status: c, output: "down" }, 1);
    expect(step.effects).toEqual([{ kind: "report", status: c, output: "down" }]);
  });
});

describe("TTL", () => {
  const policy = { ...base, ttlMs: 5000 };

  it("expires into critical with the last output, once", () => {
    let state = initialStatus(policy, c, 0);
    state = stepStatus(policy, state, { kind: "set", status: p, output: "ok" }, 1000).state;
    expect(wakeAtMs(policy, state)).toBe(6000);
    expect(stepStatus(policy, state, { kind: "tick" }, 5999).effects).toEqual([]);
    const step = stepStatus(policy, state, { kind: "tick" }, 6000);
    expect(step.effects).toEqual([
      { kind: "report", status: c, output: "TTL expired (last output before timeout follows): ok" },
    ]);
    expect(stepStatus(policy, step.state, { kind: "tick" }, 60_000).effects).toEqual([]);
  });
});

describe("deregistration", () => {
  const policy = { ...base, deregisterAfterMs: 10_000 };

  it("is asked after the time in critical, and again while nobody does it", () => {
    let state = initialStatus(policy, c, 0);
    expect(stepStatus(policy, state, { kind: "tick" }, 9999).effects).toEqual([]);
    const step = stepStatus(policy, state, { kind: "tick" }, 10_000);
    expect(step.effects).toEqual([{ kind: "deregister" }]);
    state = step.state;
    expect(wakeAtMs(policy, state)).toBe(20_000);
  });

  it("starts anew when the check leaves critical, and not for further failures", () => {
    let state = initialStatus(policy, c, 0);
    state = stepStatus(policy, state, { kind: "result", status: p, output: "" }, 9000).state;
    expect(wakeAtMs(policy, state)).toBeUndefined();
    state = stepStatus(policy, state, { kind: "result", status: c, output: "" }, 10_000).state;
    state = stepStatus(policy, state, { kind: "result", status: c, output: "" }, 19_000).state;
    expect(wakeAtMs(policy, state)).toBe(20_000);
  });
});

it("never reports the same status and output twice in a row", () => {
  const input = fc.oneof(
    fc.record({
      kind: fc.constant("result" as const),
      status: fc.constantFrom(...statuses),
      output: fc.constantFrom("a", "b"),
    }),
    fc.record({
      kind: fc.constant("set" as const),
      status: fc.constantFrom(...statuses),
      output: fc.constantFrom("a", "b"),
    }),
    fc.record({ kind: fc.constant("tick" as const) }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(input, fc.nat(40_000))), (inputs) => {
      const policy = { ...base, failuresBeforeWarning: 2, failuresBeforeCritical: 3, ttlMs: 30_000 };
      let state = initialStatus(policy, c, 0);
      let nowMs = 0;
      let last = "";
      for (const [next, deltaMs] of inputs) {
        nowMs += deltaMs;
        const step = stepStatus(policy, state, next, nowMs);
        state = step.state;
        for (const effect of step.effects) {
          expect(JSON.stringify(effect)).not.toBe(last);
          last = JSON.stringify(effect);
        }
      }
    }),
  );
});
