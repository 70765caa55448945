/**
 * What a check is, after parsing: identifiers, a kind and milliseconds. Consul's JSON forms (Go durations,
 * upper-case keys) are read elsewhere; here everything is typed and a definition compares by its JSON text.
 *
 * Defaults follow Consul: a check starts critical, one result is enough to change it, an HTTP or TCP probe
 * may take 10 s and a script 30 s.
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

/** Passes when a connection can be made. */
export interface TcpCheck extends ProbedCheck {
  readonly kind: "tcp";
  readonly host: string;
  readonly port: number;
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

/** Nothing runs: the status is set by hand and stays. */
export interface ManualCheck extends CheckCommon {
  readonly kind: "none";
}

export type ProbeDefinition = HttpCheck | TcpCheck | ScriptCheck;
export type CheckDefinition = ProbeDefinition | TtlCheck | ManualCheck;

/** Where a check's fate goes: the agent's own registrations. Calls must not throw. */
export interface StatusSink {
  report(checkId: string, status: CheckStatus, output: string): void;
  /** The check was critical for longer than its `deregisterCriticalServiceAfterMs`. */
  deregister(serviceId: string): void;
}
