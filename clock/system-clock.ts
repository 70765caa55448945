/** The host's clocks. Address leases must not outlive a suspend, which `performance.now()` does not count: see monotonic.ts. */
import { uptime } from "node:os";
import { performance } from "node:perf_hooks";
import { setTimeout as sleepFor } from "node:timers/promises";
import type { Clock, Timer } from "./clock.ts";
import { suspendAwareMs } from "./monotonic.ts";

function setTimer(delayMs: number, callback: () => void): Timer {
  const handle = setTimeout(callback, delayMs);
  handle.unref();
  return { cancel: () => clearTimeout(handle) };
}

export const systemClock: Clock = {
  monotonicMs: suspendAwareMs({
    steadyMs: () => performance.now(),
    bootMs: () => uptime() * 1000,
    wallMs: () => Date.now(),
  }),
  wallMs: () => Date.now(),
  setTimer,
  sleep: (delayMs, signal) => sleepFor(delayMs, undefined, signal ? { signal } : {}),
};
