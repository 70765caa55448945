/** No waiting for an outcome: how long a fault lasts, and what comes between two operations, is part of what is tried. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

/** Wall time by a clock that only goes forward, the same one in every thread. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
