/**
 * What a check is, after parsing: identifiers, a kind and milliseconds. Consul's JSON forms (Go durations,
 * upper-case keys) are read elsewhere; here everything is typed and a definition compares by its JSON text.
 *
 * Defaults follow Consul: a check starts critical, one result is enough to change it, a probe over the network
 * may take 10 s and a program 30 s.
 */
export type CheckStatus = "passing" | "warning" | "critical";

interface CheckCommon {
  readonly id: string;
  /** The service instance the check belongs to; absent for a check of the node. */
  readonly serviceId?: string;
  /** Status before the first result. Default `critical`. */
  readonly status?: CheckStatus;
  /** Takes the service instance away after so long in `critical`. Raised to `deregisterAfterMinMs`. */
  readonly deregisterCriticalServiceAfterMs?: number;
}

interface ProbedCheck extends CheckCommon {
  readonly intervalMs: number;
  readonly timeoutMs?: number;
  /** Successes in a row until the check passes. 0 and 1 mean at once. */
  readonly successBeforePassing?: number;
  /** Failures in a row until the check warns. Default: as `failuresBeforeCritical`, so it never does. */
  readonly failuresBeforeWarning?: number;
  /** Failures in a row until the check is critical. 0 and 1 mean at once. */
  readonly failuresBeforeCritical?: number;
}

/** 2xx passes, 429 warns, all else is critical. */
export interface HttpCheck extends ProbedCheck {
  readonly kind: "http";
  readonly url: string;
  /** Default GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  readonly body?: string;
  readonly tlsSkipVerify?: boolean;
  /** Name for SNI and certificate verification instead of the URL's host. */
  readonly tlsServerName?: string;
  /** A redirect is then an answer outside of 2xx: critical. */
  readonly disableRedirects?: boolean;
}

/** Where a probe goes. */
export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
}

/** How it speaks TLS, where it does. */
export interface ProbeTls {
  readonly tls?: boolean;
  readonly tlsSkipVerify?: boolean;
  /** Name for SNI and certificate verification instead of the host. */
  readonly tlsServerName?: string;
}

/** Passes when a connection can be made, with TLS when the handshake succeeds. */
export interface TcpCheck extends ProbedCheck, ProbeTarget, ProbeTls {
  readonly kind: "tcp";
}

/** Passes unless the datagram is refused: silence is no refusal. */
export interface UdpCheck extends ProbedCheck, ProbeTarget {
  readonly kind: "udp";
}

/** Passes when the service of that name, or the server with "", says SERVING (grpc.health.v1). */
export interface GrpcCheck extends ProbedCheck, ProbeTarget, ProbeTls {
  readonly kind: "grpc";
  readonly service: string;
}

/** Passes when the server answers a PING of HTTP/2. */
export interface H2PingCheck extends ProbedCheck, ProbeTarget, ProbeTls {
  readonly kind: "h2ping";
}

/** A program inside of a container: exit status 0 passes, 1 warns, all else is critical. */
export interface ExecCheck extends ProbedCheck {
  readonly kind: "exec";
  readonly container: string;
  readonly args: readonly string[];
}

/** Exit status 0 passes, 1 warns, all else is critical. */
export interface ScriptCheck extends ProbedCheck {
  readonly kind: "script";
  readonly args: readonly string[];
}

/** The workload reports by itself; silence for `ttlMs` is critical. */
export interface TtlCheck extends CheckCommon {
  readonly kind: "ttl";
  readonly ttlMs: number;
}

/** Follows the checks of a node, or of a service on it. */
export interface AliasCheck extends CheckCommon {
  readonly kind: "alias";
  /** Absent: this node. */
  readonly node?: string;
  /** Id of the instance; absent: the node's own checks alone. */
  readonly service?: string;
}

/** Nothing runs: the status is set by hand and stays. */
export interface ManualCheck extends CheckCommon {
  readonly kind: "none";
}

export type ProbeDefinition =
  | HttpCheck
  | TcpCheck
  | UdpCheck
  | GrpcCheck
  | H2PingCheck
  | ScriptCheck
  | ExecCheck;
export type CheckDefinition = ProbeDefinition | TtlCheck | AliasCheck | ManualCheck;

export function isProbe(check: CheckDefinition): check is ProbeDefinition {
  return check.kind !== "ttl" && check.kind !== "alias" && check.kind !== "none";
}

/** Tells what an alias follows, at once or soon, and on each change. Answers how to stop; calls must not throw. */
export type AliasSource = (
  check: AliasCheck,
  report: (status: CheckStatus, output: string) => void,
) => () => void;

/** Runs a program in a container. @throws anything when it cannot be run; ends soon after the signal aborts */
export type ContainerExec = (
  container: string,
  args: readonly string[],
  options: {
    readonly signal: AbortSignal;
    /** Called with whatever the program writes, to both outputs. */
    readonly onOutput: (bytes: Buffer) => void;
  },
) => Promise<{ readonly exitCode: number }>;

/** Where a check's fate goes: the agent's own registrations. Calls must not throw. */
export interface StatusSink {
  report(checkId: string, status: CheckStatus, output: string): void;
  /** The check was critical for longer than its `deregisterCriticalServiceAfterMs`. */
  deregister(serviceId: string): void;
}
