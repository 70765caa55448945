/**
 * Network coordinates: where a node stands in a space in which distances are round-trip times (Dabek et al.,
 * "Vivaldi: A Decentralized Network Coordinate System", 2004), in the shape of Consul's and Serf's.
 */

export const coordinateDimensions = 8;

export interface Coordinate {
  /** Seconds; eight of them. */
  readonly vector: readonly number[];
  /** 0 to 1.5: how much the coordinate may be wrong. */
  readonly error: number;
  /** Seconds, what measured times were beyond what the space says. May be negative. */
  readonly adjustment: number;
  /** Seconds of the access link, on every way in and out. */
  readonly height: number;
}

/** Whether it can be reckoned with. */
export function isCoordinate({ vector, error, adjustment, height }: Coordinate): boolean {
  return (
    vector.length === coordinateDimensions && [...vector, error, adjustment, height].every(Number.isFinite)
  );
}

/** Estimated round-trip time in seconds; as Serf reckons it. */
export function distanceSeconds(a: Coordinate, b: Coordinate): number {
  const raw = Math.hypot(...a.vector.map((at, axis) => at - (b.vector[axis] ?? 0))) + a.height + b.height;
  const adjusted = raw + a.adjustment + b.adjustment;
  return adjusted > 0 ? adjusted : raw;
}
