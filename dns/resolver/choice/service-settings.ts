/**
 * What a service says of itself in its meta, where that differs from the node's options:
 *
 *   heddle-panic-threshold   0 to 1
 *   heddle-subset            instances in one answer, 0 for all
 *   heddle-flap-damping      1 on, 0 off
 *
 * Instances of one service may disagree while a change rolls out: the largest value counts. A value that cannot
 * be read counts as absent.
 */
import type { ServiceInstance } from "../catalog/catalog-reader.ts";

const settings = {
  panicThreshold: { key: "heddle-panic-threshold", max: 1 },
  subset: { key: "heddle-subset", max: 65_535 },
  flapDamping: { key: "heddle-flap-damping", max: 1 },
} as const;

/** Undefined when no instance says any. */
export function serviceSetting(
  instances: readonly Pick<ServiceInstance, "meta">[],
  setting: keyof typeof settings,
): number | undefined {
  const { key, max } = settings[setting];
  let largest: number | undefined;
  for (const { meta } of instances) {
    const text = meta?.[key];
    if (text === undefined || !/^\d+(\.\d+)?$/.test(text)) continue;
    const value = Number(text);
    if (value <= max && value > (largest ?? -1)) largest = value;
  }
  return largest;
}
