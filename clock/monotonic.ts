/**
 * Time that never goes back and counts suspend, of three sources: the steady clock (CLOCK_MONOTONIC, stands still during
 * suspend), the boot clock (goes on, counts in steps of 10 ms, and is a file of /proc to read) and the wall clock (goes
 * on, may jump). The larger advance of the first two wins.
 *
 * Reading the boot clock each time was 28 % of the time of a server with 3000 agents. So it is read only when `lookEveryMs` of
 * steady time have passed, or at once when the wall clock went another way than the steady one: as after a suspend.
 */
export interface TimeSources {
  readonly steadyMs: () => number;
  readonly bootMs: () => number;
  readonly wallMs: () => number;
}

/** Below this a difference is rounding, not suspend. */
const suspendThresholdMs = 1000;
const wallThresholdMs = 500;
const lookEveryMs = 100;

export function suspendAwareMs({ steadyMs, bootMs, wallMs }: TimeSources): () => number {
  const bootOffsetMs = bootMs() - steadyMs();
  let suspendedMs = 0;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let wallOffsetMs = 0;
  return () => {
    const nowMs = steadyMs();
    const offsetMs = wallMs() - nowMs;
    if (nowMs - lookedAtMs >= lookEveryMs || Math.abs(offsetMs - wallOffsetMs) >= wallThresholdMs) {
      lookedAtMs = nowMs;
      wallOffsetMs = offsetMs;
      const aheadMs = bootMs() - bootOffsetMs - (nowMs + suspendedMs);
      if (aheadMs > suspendThresholdMs) suspendedMs += aheadMs;
    }
    return nowMs + suspendedMs;
  };
}
