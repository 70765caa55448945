/**
 * The host's clocks. Node's `performance.now()` is CLOCK_MONOTONIC, which stands still during suspend;
 * address leases must not, so /proc/uptime's boot clock corrects it: the larger of the two advances wins.
 */
import { uptime } from "node:os";
import { performance } from "node:perf_hooks";
import { setTimeout as sleepFor } from "node:timers/promises";
import type { Clock, Timer } from "./clock.ts";

const bootOffsetMs = uptime() * 1000 - performance.now();
/** os.uptime() counts in steps of 10 ms at best; below this a difference is rounding, not suspend. */
const suspendThresholdMs = 1000;
let suspendedMs = 0;

function monotonicMs(): number {
  const steadyMs = performance.now() + suspendedMs;
  const bootMs = uptime() * 1000 - bootOffsetMs;
  if (bootMs - steadyMs > suspendThresholdMs) {
    suspendedMs += bootMs - steadyMs;
    return performance.now() + suspendedMs;
  }
  return steadyMs;
}

function setTimer(delayMs: number, callback: () => void): Timer {
  const handle = setTimeout(callback, delayMs);
  handle.unref();
  return { cancel: () => clearTimeout(handle) };
}

export const systemClock: Clock = {
  monotonicMs,
  wallMs: () => Date.now(),
  setTimer,
  sleep: (delayMs, signal) => sleepFor(delayMs, undefined, signal ? { signal } : {}),
};
