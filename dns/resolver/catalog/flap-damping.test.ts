/** Damping as a table of times, and as laws. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../clock/index.ts";
import {
  type CatalogChange,
  DampedCatalog,
  dampingDefaults,
  MemoryCatalog,
  type ServiceInstance,
} from "../index.ts";
import { type FlapRecord, firstSeen, observe, penaltyAt, restLeftMs } from "./flap-damping.ts";

const policy = { ...dampingDefaults, enabled: true };

describe("the penalty", () => {
  test("three falls in a minute begin a rest, two do not, and it is over when the penalty fell to reuse", () => {
    let record = firstSeen(true, 0);
    for (const atMs of [0, 10_000]) {
      record = observe(record, false, atMs, policy);
      record = observe(record, true, atMs + 5000, policy);
    }
    expect(record.resting).toBe(false);
    record = observe(observe(record, false, 20_000, policy), true, 25_000, policy);
    expect(record.resting).toBe(true);
    const leftMs = restLeftMs(record, 25_000, policy);
    expect(penaltyAt(record, 25_000 + leftMs, policy)).toBeCloseTo(policy.reuseBelow, 3);
    expect(observe(record, true, 25_000 + leftMs + 1, policy).resting).toBe(false);
    expect(restLeftMs(record, 25_000 + leftMs + 1, policy)).toBe(0);
  });

  const steps = fc.array(fc.record({ up: fc.boolean(), waitMs: fc.nat(100_000) }), { maxLength: 60 });
  const played = (all: readonly { readonly up: boolean; readonly waitMs: number }[]) => {
    let nowMs = 0;
    let record: FlapRecord = firstSeen(true, 0);
    for (const { up, waitMs } of all) {
      nowMs += waitMs;
      record = observe(record, up, nowMs, policy);
    }
    return { record, nowMs };
  };

  test("whatever happened, a steady instance rests no longer than restMaxMs", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const { record, nowMs } = played(all);
        expect(restLeftMs(record, nowMs, policy)).toBeLessThanOrEqual(policy.restMaxMs + 1);
      }),
    );
  });

  test("a thousand falls in one second rest no longer than that either", () => {
    let record = firstSeen(true, 0);
    for (let atMs = 0; atMs < 1000; atMs++)
      record = observe(observe(record, false, atMs, policy), true, atMs, policy);
    expect(restLeftMs(record, 1000, policy)).toBeGreaterThan(policy.restMaxMs - 1100);
    expect(restLeftMs(record, 1000, policy)).toBeLessThanOrEqual(policy.restMaxMs);
  });

  test("only falls cost, so an instance that never fell never rests", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const firstUp = all.findIndex(({ up }) => up);
        const climbs = all.map((step, i) => ({ ...step, up: i >= firstUp && firstUp >= 0 }));
        let record = firstSeen(false, 0);
        let nowMs = 0;
        for (const { up, waitMs } of climbs) {
          nowMs += waitMs;
          record = observe(record, up, nowMs, policy);
        }
        expect(record).toMatchObject({ penalty: 0, resting: false });
      }),
    );
  });

  test("looking oftener changes nothing", () => {
    fc.assert(
      fc.property(steps, fc.nat(1000), (all, moreMs) => {
        const { record, nowMs } = played(all);
        const looked = observe(record, record.up, nowMs + moreMs, policy);
        expect(penaltyAt(looked, nowMs + 5000, policy)).toBeCloseTo(
          penaltyAt(record, nowMs + 5000, policy),
          6,
        );
      }),
    );
  });
});

describe("a damped catalog", () => {
  const instance = (n: number, status: ServiceInstance["status"], meta = {}): ServiceInstance => ({
    node: `n${n}`,
    nodeUp: true,
    nodeAddresses: [],
    port: 80,
    tags: [],
    status,
    meta,
  });

  function world(enabled: boolean, servicesMax = 10) {
    const clock = new ManualClock();
    const inner = new MemoryCatalog();
    const catalog = new DampedCatalog(inner, clock, { ...dampingDefaults, enabled }, servicesMax);
    const changes: CatalogChange[] = [];
    catalog.onChange((change) => changes.push(change));
    const damped = async (name = "web") =>
      ((await catalog.service(name, "dc1")) ?? []).flatMap(({ node, damped }) => (damped ? [node] : []));
    const flap = (times: number, meta = {}, name = "web") => {
      for (let i = 0; i < times; i++) {
        inner.setService(name, [instance(1, "critical", meta), instance(2, "passing", meta)]);
        inner.setService(name, [instance(1, "passing", meta), instance(2, "passing", meta)]);
      }
    };
    return { clock, inner, catalog, changes, damped, flap };
  }

  test("marks who flapped, nobody else, and announces the service when the rest is over", async () => {
    const { clock, inner, changes, damped, flap } = world(true);
    inner.setService("web", [instance(1, "passing"), instance(2, "passing")]);
    flap(3);
    expect(await damped()).toEqual(["n1"]);
    changes.length = 0;
    await clock.advance(119_000);
    expect(await damped()).toEqual(["n1"]);
    expect(changes).toEqual([]);
    await clock.advance(2000);
    expect(changes).toEqual([{ kind: "service", name: "web" }]);
    expect(await damped()).toEqual([]);
  });

  test("an instance that is registered and taken away again and again flaps too", async () => {
    const { inner, damped } = world(true);
    for (let i = 0; i < 3; i++) {
      inner.setService("web", [instance(1, "passing")]);
      inner.setService("web", undefined);
    }
    inner.setService("web", [instance(1, "passing")]);
    expect(await damped()).toEqual(["n1"]);
  });

  test("is off unless it is switched on, for all or by the service's meta", async () => {
    const off = world(false);
    off.flap(9);
    expect(await off.damped()).toEqual([]);
    off.flap(9, { "heddle-flap-damping": "1" });
    expect(await off.damped()).toEqual(["n1"]);
    const on = world(true);
    on.flap(9, { "heddle-flap-damping": "0" });
    expect(await on.damped()).toEqual([]);
  });

  test("forgets the service that did not change for longest when there are too many", async () => {
    const { damped, flap } = world(true, 2);
    for (const name of ["a", "b", "c"]) flap(4, {}, name);
    expect([await damped("a"), await damped("b"), await damped("c")]).toEqual([[], ["n1"], ["n1"]]);
  });
});
