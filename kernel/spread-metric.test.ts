/** Metrics that keep the hash chains of Linux short. */
import { expect, test } from "vitest";
import { parseCidr, subnetAt } from "../addr/index.ts";
import { spreadMetric } from "./spread-metric.ts";

test("spreadMetric() spreads 10,000 blocks evenly over its values", () => {
  const counts = new Map<number, number>();
  const pool = parseCidr("10.0.0.0/8");
  for (let i = 0; i < 10_000; i++) {
    const metric = spreadMetric(subnetAt(pool, 24, i)) ?? 0;
    expect(metric).toBeGreaterThanOrEqual(1);
    expect(metric).toBeLessThanOrEqual(4096);
    counts.set(metric, (counts.get(metric) ?? 0) + 1);
  }
  expect(Math.max(...counts.values())).toBeLessThan(16);
});

test("spreadMetric() leaves IPv6 to its default", () => {
  expect(spreadMetric(parseCidr("fd00::/64"))).toBeUndefined();
});
