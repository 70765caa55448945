/** Refuses a definition that could not run, before anything of it starts. */
import { FabricError } from "../errors/index.ts";
import type { CheckDefinition, ProbeDefinition } from "./check.ts";

/** @throws HEALTH_INVALID_CHECK */
export function assertRunnable(check: CheckDefinition): void {
  if (check.id === "") refuse(check, "its id is empty");
  switch (check.kind) {
    case "http":
      assertPace(check);
      if (!/^https?:$/.test(URL.parse(check.url)?.protocol ?? ""))
        refuse(check, `its URL "${check.url}" is not http or https`);
      return;
    case "tcp":
    case "udp":
    case "grpc":
    case "h2ping":
      assertPace(check);
      if (check.host === "") refuse(check, "its host is empty");
      if (!Number.isInteger(check.port) || check.port < 1 || check.port > 65_535)
        refuse(check, `its port ${check.port} is not within 1-65535`);
      return;
    case "script":
      assertPace(check);
      if (!check.args[0]) refuse(check, "it names no program");
      return;
    case "exec":
      assertPace(check);
      if (check.container === "") refuse(check, "it names no container");
      if (!check.args[0]) refuse(check, "it names no program");
      return;
    case "alias":
      if (!check.node && !check.service) refuse(check, "it names neither a node nor a service to follow");
      return;
    case "ttl":
      if (!isPositive(check.ttlMs)) refuse(check, `its TTL ${check.ttlMs} ms is not positive`);
      return;
    case "none":
      return;
    default:
      check satisfies never;
  }
}

function assertPace(check: ProbeDefinition): void {
  if (!isPositive(check.intervalMs)) refuse(check, `its interval ${check.intervalMs} ms is not positive`);
  if (check.timeoutMs !== undefined && !isPositive(check.timeoutMs))
    refuse(check, `its timeout ${check.timeoutMs} ms is not positive`);
  const { failuresBeforeWarning: warning = 0, failuresBeforeCritical: critical = 0 } = check;
  if (warning > Math.max(1, critical))
    refuse(check, `it would warn after ${warning} failures, later than it is critical (${critical})`);
}

function isPositive(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}

function refuse(check: CheckDefinition, reason: string): never {
  throw new FabricError(
    "HEALTH_INVALID_CHECK",
    `run check "${check.id}": ${reason}; correct its definition and register it again`,
    { details: { check: check.id, kind: check.kind } },
  );
}
