import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { ManualClock } from "./index.ts";

describe("ManualClock", () => {
  it("stands still until it is told to move", async () => {
    const clock = new ManualClock(5000);
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([0, 5000]);
    await clock.advance(250);
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([250, 5250]);
  });

  it("jumps its wall clock without moving monotonic time or firing timers", async () => {
    const clock = new ManualClock(5000);
    let fired = false;
    clock.setTimer(10, () => {
      fired = true;
    });
    clock.jumpWall(-4000);
    await clock.advance(0);
    expect([clock.monotonicMs(), clock.wallMs(), fired]).toEqual([0, 1000, false]);
  });

  it("fires timers in order of due time, ties in order of creation, each at its own time", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 20 }), fc.nat(25), async (delays, advanceMs) => {
        const clock = new ManualClock();
        const fired: (readonly [number, number, number])[] = [];
        for (const [index, delay] of delays.entries()) {
          clock.setTimer(delay, () => fired.push([delay, index, clock.monotonicMs()]));
        }
        await clock.advance(advanceMs);
        const due = delays.flatMap((delay, index) =>
          delay <= advanceMs ? [[delay, index, delay] as const] : [],
        );
        expect(fired).toEqual(due.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]));
        expect(clock.monotonicMs()).toBe(advanceMs);
      }),
      { numRuns: 50 },
    );
  });

  it("fires timers that timers and promise callbacks set on the way, within the same advance", async () => {
    const clock = new ManualClock();
    const fired: number[] = [];
    const again = () => {
      fired.push(clock.monotonicMs());
      void Promise.resolve().then(() => clock.setTimer(10, again));
    };
    clock.setTimer(10, again);
    await clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
  });

  it("does not fire a cancelled timer; cancelling late does nothing", async () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    const second = clock.setTimer(2, () => fired.push("second"));
    const first = clock.setTimer(1, () => {
      fired.push("first");
      second.cancel();
    });
    await clock.advance(5);
    first.cancel();
    expect(fired).toEqual(["first"]);
  });

  it("takes a negative delay for none", async () => {
    const clock = new ManualClock();
    let firedAt = -1;
    clock.setTimer(-5, () => {
      firedAt = clock.monotonicMs();
    });
    await clock.advance(0);
    expect(firedAt).toBe(0);
  });

  it("sleeps for as long as it was told", async () => {
    const clock = new ManualClock();
    let awake = false;
    void clock.sleep(100).then(() => {
      awake = true;
    });
    await clock.advance(99);
    expect(awake).toBe(false);
    await clock.advance(1);
    expect(awake).toBe(true);
  });

  it("ends a sleep with the signal's reason, before or while asleep", async () => {
    const clock = new ManualClock();
    await expect(clock.sleep(1, AbortSignal.abort("early"))).rejects.toBe("early");
    const controller = new AbortController();
    const sleep = clock.sleep(100, controller.signal);
    const ended = expect(sleep).rejects.toBe("enough");
    controller.abort("enough");
    await ended;
  });

  it("cancels the timer of a sleep that was ended", async () => {
    const clock = new ManualClock();
    const cancel = vi.fn();
    vi.spyOn(clock, "setTimer").mockReturnValue({ cancel });
    const controller = new AbortController();
    const ended = expect(clock.sleep(100, controller.signal)).rejects.toBe("enough");
    controller.abort("enough");
    await ended;
    expect(cancel).toHaveBeenCalledOnce();
  });

  it("lets what is under way set its timers before it moves", async () => {
    const clock = new ManualClock();
    let fired = false;
    void Promise.resolve().then(() => {
      clock.setTimer(5, () => {
        fired = true;
      });
    });
    await clock.advance(5);
    expect(fired).toBe(true);
  });
});
