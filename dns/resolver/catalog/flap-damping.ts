/**
 * Damping of instances that come and go (the figure of merit of RFC 2439 section 4, for instances instead of
 * routes). Each time an instance falls out of answers it earns a penalty, which halves every half-life. Above
 * `suppressAbove` the instance rests although it is healthy again; it is back when the penalty has fallen below
 * `reuseBelow`. The penalty is bounded, so that no instance that became steady rests longer than `restMaxMs`.
 *
 * Pure: time is handed in. What has no penalty and is not known to be up or down costs nothing.
 */
export interface DampingPolicy {
  /** For services whose meta does not say. */
  readonly enabled: boolean;
  readonly penalty: number;
  readonly halfLifeMs: number;
  readonly suppressAbove: number;
  readonly reuseBelow: number;
  readonly restMaxMs: number;
}

/** Three falls within a minute or so begin a rest of two minutes. */
export const dampingDefaults: DampingPolicy = {
  enabled: false,
  penalty: 1000,
  halfLifeMs: 60_000,
  suppressAbove: 2000,
  reuseBelow: 750,
  restMaxMs: 300_000,
};

/** Of one instance. */
export interface FlapRecord {
  readonly up: boolean;
  /** At `atMs`; decays from there. */
  readonly penalty: number;
  readonly atMs: number;
  readonly resting: boolean;
}

/** What is known of an instance that was just seen for the first time. */
export function firstSeen(up: boolean, nowMs: number): FlapRecord {
  return { up, penalty: 0, atMs: nowMs, resting: false };
}

export function penaltyAt(record: FlapRecord, nowMs: number, { halfLifeMs }: DampingPolicy): number {
  return record.penalty * 2 ** (-Math.max(0, nowMs - record.atMs) / halfLifeMs);
}

/** The record after the instance was seen to be up or down now. */
export function observe(record: FlapRecord, up: boolean, nowMs: number, policy: DampingPolicy): FlapRecord {
  const { reuseBelow, suppressAbove, restMaxMs, halfLifeMs } = policy;
  const decayed = penaltyAt(record, nowMs, policy);
  const ceiling = reuseBelow * 2 ** (restMaxMs / halfLifeMs);
  const penalty = Math.min(ceiling, decayed + (record.up && !up ? policy.penalty : 0));
  const resting = penalty > suppressAbove || (record.resting && penalty >= reuseBelow);
  return { up, penalty, atMs: nowMs, resting };
}

/** How long it rests from now on, if nothing happens; 0 when it does not rest. */
export function restLeftMs(record: FlapRecord, nowMs: number, policy: DampingPolicy): number {
  if (!record.resting) return 0;
  const penalty = penaltyAt(record, nowMs, policy);
  return Math.max(0, Math.log2(penalty / policy.reuseBelow) * policy.halfLifeMs);
}

/** Nothing would be lost by forgetting it. */
export function isSettled(record: FlapRecord, nowMs: number, policy: DampingPolicy): boolean {
  return penaltyAt(record, nowMs, policy) < policy.reuseBelow / 2;
}
