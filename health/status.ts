/**
 * The life of one check as a pure machine: results and time go in, reports and a deregistration come out.
 *
 * Thresholds count results in a row, as Consul's do: passing and warning are both successes and reset the
 * failures, and the other way round; a result that has not reached its threshold changes nothing, not even
 * the output. What is set by hand (TTL, manual) skips the thresholds.
 *
 * Always holds: a change of status is reported in the step that makes it; a change of a probe's output alone
 * waits until `outputIntervalMs` after the last report; `wakeAtMs` is the next time at which a tick matters.
 */
import type { CheckStatus } from "./check.ts";

export interface StatusPolicy {
  readonly successBeforePassing: number;
  readonly failuresBeforeWarning: number;
  readonly failuresBeforeCritical: number;
  readonly outputIntervalMs: number;
  /** Silence for so long is critical. */
  readonly ttlMs?: number;
  /** Time in critical after which the service is deregistered; asked again after each such time. */
  readonly deregisterAfterMs?: number;
}

export interface StatusState {
  readonly status: CheckStatus;
  readonly output: string;
  readonly successes: number;
  readonly failures: number;
  readonly reportedOutput: string;
  readonly reportedAtMs: number;
  readonly expiresAtMs: number | undefined;
  readonly deregisterAtMs: number | undefined;
}

export type StatusInput =
  | { readonly kind: "result"; readonly status: CheckStatus; readonly output: string }
  | { readonly kind: "set"; readonly status: CheckStatus; readonly output: string }
  | { readonly kind: "tick" };

export type StatusEffect =
  | { readonly kind: "report"; readonly status: CheckStatus; readonly output: string }
  | { readonly kind: "deregister" };

export interface StatusStep {
  readonly state: StatusState;
  readonly effects: readonly StatusEffect[];
}

export function initialStatus(policy: StatusPolicy, status: CheckStatus, nowMs: number): StatusState {
  return {
    status,
    output: "",
    successes: 0,
    failures: 0,
    reportedOutput: "",
    reportedAtMs: Number.NEGATIVE_INFINITY,
    expiresAtMs: later(nowMs, policy.ttlMs),
    deregisterAtMs: status === "critical" ? later(nowMs, policy.deregisterAfterMs) : undefined,
  };
}

/** The monotonic time of the next tick that would change something. */
export function wakeAtMs(policy: StatusPolicy, state: StatusState): number | undefined {
  const flushAtMs =
    state.output === state.reportedOutput ? undefined : state.reportedAtMs + policy.outputIntervalMs;
  const times = [state.expiresAtMs, state.deregisterAtMs, flushAtMs].filter((time) => time !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

export function stepStatus(
  policy: StatusPolicy,
  state: StatusState,
  input: StatusInput,
  nowMs: number,
): StatusStep {
  switch (input.kind) {
    case "result":
      return settle(policy, state, judge(policy, state, input.status, input.output), nowMs, false);
    case "set": {
      const expiresAtMs = later(nowMs, policy.ttlMs);
      const next = { ...state, status: input.status, output: input.output, expiresAtMs };
      return settle(policy, state, next, nowMs, true);
    }
    case "tick": {
      if (state.expiresAtMs === undefined || nowMs < state.expiresAtMs) {
        return settle(policy, state, state, nowMs, false);
      }
      const output =
        state.output === ""
          ? "TTL expired"
          : `TTL expired (last output before timeout follows): ${state.output}`;
      const next = { ...state, status: "critical" as const, output, expiresAtMs: undefined };
      return settle(policy, state, next, nowMs, true);
    }
    default:
      return input satisfies never;
  }
}

function judge(policy: StatusPolicy, state: StatusState, status: CheckStatus, output: string): StatusState {
  if (status !== "critical") {
    const counted = { ...state, successes: state.successes + 1, failures: 0 };
    return counted.successes >= policy.successBeforePassing ? { ...counted, status, output } : counted;
  }
  const counted = { ...state, failures: state.failures + 1, successes: 0 };
  if (counted.failures >= policy.failuresBeforeCritical) return { ...counted, status, output };
  if (counted.failures >= policy.failuresBeforeWarning) return { ...counted, status: "warning", output };
  return counted;
}

/** Turns the difference between two states into effects and moves the clocks that depend on them. */
function settle(
  policy: StatusPolicy,
  before: StatusState,
  after: StatusState,
  nowMs: number,
  outputAtOnce: boolean,
): StatusStep {
  const effects: StatusEffect[] = [];
  let state = after;
  if (state.status !== before.status) {
    const deregisterAtMs = state.status === "critical" ? later(nowMs, policy.deregisterAfterMs) : undefined;
    state = { ...state, deregisterAtMs };
  }
  const outputDue = outputAtOnce || nowMs >= state.reportedAtMs + policy.outputIntervalMs;
  if (state.status !== before.status || (state.output !== state.reportedOutput && outputDue)) {
    effects.push({ kind: "report", status: state.status, output: state.output });
    state = { ...state, reportedOutput: state.output, reportedAtMs: nowMs };
  }
  if (state.deregisterAtMs !== undefined && nowMs >= state.deregisterAtMs) {
    effects.push({ kind: "deregister" });
    state = { ...state, deregisterAtMs: later(nowMs, policy.deregisterAfterMs) };
  }
  return { state, effects };
}

function later(nowMs: number, delayMs: number | undefined): number | undefined {
  return delayMs === undefined ? undefined : nowMs + delayMs;
}
