import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { suspendAwareMs } from "./monotonic.ts";

/** A host whose steady clock stands still while it is suspended. */
function host() {
  const at = { steadyMs: 0, bootMs: 70_000, wallMs: 1_700_000_000_000 };
  let bootReads = 0;
  const monotonicMs = suspendAwareMs({
    steadyMs: () => at.steadyMs,
    bootMs: () => {
      bootReads += 1;
      return Math.floor(at.bootMs / 10) * 10;
    },
    wallMs: () => Math.floor(at.wallMs),
  });
  return {
    monotonicMs,
    bootReads: () => bootReads,
    run: (ms: number) => {
      at.steadyMs += ms;
      at.bootMs += ms;
      at.wallMs += ms;
    },
    suspend: (ms: number) => {
      at.bootMs += ms;
      at.wallMs += ms;
    },
    jumpWall: (ms: number) => {
      at.wallMs += ms;
    },
  };
}

describe("suspendAwareMs()", () => {
  it("counts a suspend from the first reading after it, however soon that is", () => {
    const { monotonicMs, run, suspend } = host();
    run(5);
    const before = monotonicMs();
    suspend(86_400_000);
    run(1);
    expect(monotonicMs() - before).toBeGreaterThanOrEqual(86_400_000 - 10);
  });

  it("counts a suspend that the wall clock hides after a tenth of a second", () => {
    const { monotonicMs, run, suspend, jumpWall } = host();
    const before = monotonicMs();
    suspend(60_000);
    jumpWall(-60_000);
    run(100);
    expect(monotonicMs() - before).toBeGreaterThanOrEqual(60_000);
  });

  it("does not move with the wall clock", () => {
    const { monotonicMs, jumpWall } = host();
    const before = monotonicMs();
    for (const ms of [3_600_000, -7_200_000]) {
      jumpWall(ms);
      expect(monotonicMs()).toBe(before);
    }
  });

  it("reads the boot clock ten times a second at most while nothing jumps", () => {
    const { monotonicMs, run, bootReads } = host();
    const before = bootReads();
    for (let i = 0; i < 10_000; i++) {
      monotonicMs();
      run(0.1);
    }
    expect(bootReads() - before).toBeLessThanOrEqual(11);
  });

  it("never goes back, and follows the boot clock within the rounding", () => {
    const step = fc.record({
      kind: fc.constantFrom("run", "suspend", "jumpWall" as const),
      ms: fc.integer({ min: -100_000, max: 100_000 }),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const clock = host();
        let last = clock.monotonicMs();
        let passedMs = 0;
        for (const { kind, ms } of steps) {
          const elapsedMs = Math.abs(ms);
          if (kind === "jumpWall") clock.jumpWall(ms);
          else clock[kind as "run" | "suspend"](elapsedMs);
          if (kind === "run") passedMs += elapsedMs;
          const now = clock.monotonicMs();
          expect(now).toBeGreaterThanOrEqual(last);
          last = now;
        }
        expect(last).toBeGreaterThanOrEqual(passedMs);
      }),
    );
  });
});
