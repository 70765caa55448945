/**
 * One run of a check. A probe never rejects: what goes wrong is its result. It ends soon after its signal
 * aborts, and leaves no socket and no process behind.
 */
import type { Clock } from "../../clock/index.ts";
import type { CheckStatus, ContainerExec, ProbeDefinition } from "../check.ts";
import type { HealthLimits } from "../limits.ts";
import { probeExec } from "./exec-probe.ts";
import { probeGrpc } from "./grpc-probe.ts";
import { probeH2Ping } from "./h2ping-probe.ts";
import { probeHttp } from "./http-probe.ts";
import { probeScript } from "./script-probe.ts";
import { probeTcp } from "./tcp-probe.ts";
import { probeUdp } from "./udp-probe.ts";

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

export function runProbe(
  check: ProbeDefinition,
  context: ProbeContext,
  exec: ContainerExec | undefined,
): Promise<ProbeResult> {
  switch (check.kind) {
    case "http":
      return probeHttp(check, context);
    case "tcp":
      return probeTcp(check, context);
    case "udp":
      return probeUdp(check, context);
    case "grpc":
      return probeGrpc(check, context);
    case "h2ping":
      return probeH2Ping(check, context);
    case "exec":
      return exec
        ? probeExec(check, exec, context)
        : Promise.resolve({ status: "critical", output: "this node has no container engine" });
    case "script":
      return probeScript(check, context);
    default:
      return check satisfies never;
  }
}
