/** Bounds and paces of the check runner, each with its default. */
export interface HealthLimits {
  /** Checks on this node. More: HEALTH_LIMIT. */
  readonly checksMax: number;
  /** Shortest time between two runs of one check; a shorter interval is raised to it. */
  readonly intervalMinMs: number;
  /** Probes over the network at one time; the rest wait in order. */
  readonly probesInFlightMax: number;
  /** Scripts, in containers or not, at one time: each is a process. */
  readonly scriptsInFlightMax: number;
  /** Bytes of output that are kept of a result. */
  readonly outputMaxBytes: number;
  /** Shortest time between two reports that change a probe's output but not its status. */
  readonly outputIntervalMs: number;
  /** Floor of `deregisterCriticalServiceAfterMs`. */
  readonly deregisterAfterMinMs: number;
  /** Silence after which a UDP probe passes. */
  readonly udpQuietMs: number;
  /** Redirects that one HTTP probe follows. */
  readonly redirectsMax: number;
}

export const healthLimits: HealthLimits = {
  checksMax: 4096,
  intervalMinMs: 1000,
  probesInFlightMax: 256,
  scriptsInFlightMax: 16,
  outputMaxBytes: 4096,
  outputIntervalMs: 60_000,
  deregisterAfterMinMs: 60_000,
  udpQuietMs: 1000,
  redirectsMax: 10,
};

/** Longest run of a probe that names no timeout. */
export const probeTimeoutMs = 10_000;
export const scriptTimeoutMs = 30_000;

/** Node fires a timer at once when its delay does not fit into 31 bits; longer waits go in steps. */
export const timerMaxMs = 2 ** 31 - 1;
