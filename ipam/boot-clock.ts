/**
 * The host's clocks since boot. process.hrtime() is CLOCK_MONOTONIC itself, the same line for every process
 * of a boot; os.uptime() counts suspend as well (proc(5), clock_gettime(2)).
 */
import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import type { BootClock } from "./fence.ts";

/** Reads the boot id once. */
export function systemBootClock(): BootClock {
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return {
    now: () => ({
      bootId,
      steadyMs: Number(process.hrtime.bigint() / 1_000_000n),
      uptimeMs: uptime() * 1000,
    }),
  };
}
