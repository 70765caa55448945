/**
 * One run of a check. A probe never rejects: what goes wrong is its result. It ends soon after its signal
 * aborts, and leaves no socket and no process behind.
 */
import type { Clock } from "../../clock/index.ts";
import type { CheckStatus, ProbeDefinition } from "../check.ts";
import type { HealthLimits } from "../limits.ts";
import { probeHttp } from "./http-probe.ts";
import { probeScript } from "./script-probe.ts";
import { probeTcp } from "./tcp-probe.ts";

export interface ProbeResult {
  readonly status: CheckStatus;
  readonly output: string;
}

export interface ProbeContext {
  readonly clock: Clock;
  readonly limits: HealthLimits;
  /** Aborts when the time of the probe is over. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export function runProbe(check: ProbeDefinition, context: ProbeContext): Promise<ProbeResult> {
  switch (check.kind) {
    case "http":
      return probeHttp(check, context);
    case "tcp":
      return probeTcp(check, context);
    case "script":
      return probeScript(check, context);
    default:
      return check satisfies never;
  }
}
