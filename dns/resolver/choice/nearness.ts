/**
 * Instances in order of nearness to a standpoint: on its node, by estimated round-trip time, in its zone, elsewhere.
 * What has no coordinates comes behind what has; equals are in random order.
 */
import { type Coordinate, distanceSeconds } from "../../../registry/index.ts";
import type { ServiceInstance } from "../catalog/catalog-reader.ts";

/** Where somebody stands; nothing of it need be known. */
export interface Standpoint {
  readonly node?: string;
  readonly zone?: string;
  readonly coordinate?: Coordinate;
}

/** @param instances in random order */
export function nearestFirst(
  instances: readonly ServiceInstance[],
  from: Standpoint,
): readonly ServiceInstance[] {
  const ranked = instances.map((instance) => ({ instance, rank: rankOf(instance, from) }));
  ranked.sort((a, b) => compareRanks(a.rank, b.rank));
  return ranked.map(({ instance }) => instance);
}

type Rank = readonly [elsewhere: number, seconds: number, otherZone: number];

function rankOf({ node, zone, coordinate }: ServiceInstance, from: Standpoint): Rank {
  const isSame = from.node !== undefined && node.toLowerCase() === from.node.toLowerCase();
  const seconds =
    coordinate && from.coordinate ? distanceSeconds(from.coordinate, coordinate) : Number.POSITIVE_INFINITY;
  return [isSame ? 0 : 1, seconds, zone !== undefined && zone === from.zone ? 0 : 1];
}

function compareRanks(a: Rank, b: Rank): number {
  const [first, seconds, last] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  // Infinity minus Infinity is NaN.
  return first || (a[1] === b[1] ? 0 : seconds) || last;
}
