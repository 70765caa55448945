/** Health checks of a node: what a check is, and the runner that keeps their status. */
export type {
  AliasCheck,
  AliasSource,
  CheckDefinition,
  CheckStatus,
  ContainerExec,
  HttpCheck,
  ManualCheck,
  ScriptCheck,
  StatusSink,
  TcpCheck,
  TtlCheck,
} from "./check.ts";
export { HealthRunner, type HealthRunnerOptions } from "./health-runner.ts";
export { type HealthLimits, healthLimits, probeTimeoutMs, scriptTimeoutMs } from "./limits.ts";
