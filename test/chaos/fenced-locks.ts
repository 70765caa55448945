/**
 * What a history of locks must not show. A client that holds a lock learns of its loss late (its agent froze, its session
 * ended), so two clients may believe in one lock at a time; what protects is the fence: LockIndex rises with each
 * acquisition, and a write that asks for the lock in its transaction (`check-session`) is refused once another has it.
 * See Consul's documentation of sessions, "lock-delay" and "sequencer".
 */

/** An acquisition that was answered with true, and then read to be its session's. */
export interface Hold {
  readonly lock: string;
  readonly session: string;
  /** LockIndex. */
  readonly fence: number;
  readonly acquireInvokedMs: number;
  /** It was this session's then. */
  readonly acquiredMs: number;
  /** A release was called then, and answered that it still was this session's; undefined: the answer was another or lost. */
  readonly releasedMs: number | undefined;
}

/** A write made only if the lock was held, and answered that it was made. */
export interface FencedWrite {
  readonly lock: string;
  readonly session: string;
  readonly fence: number;
  readonly invokedMs: number;
  readonly returnedMs: number;
}

/** One line each; none: mutual exclusion held. Quadratic in the holds of one lock. */
export function lockViolations(holds: readonly Hold[], writes: readonly FencedWrite[]): readonly string[] {
  return [
    ...pairs(holds).flatMap(([a, b]) => holdViolation(a, b)),
    ...pairs(writes)
      .filter(([a, b]) => a.returnedMs < b.invokedMs && a.fence > b.fence)
      .map(
        ([a, b]) => `${a.lock}: ${b.session} wrote with fence ${b.fence} after ${a.session} with ${a.fence}`,
      ),
  ];
}

function holdViolation(a: Hold, b: Hold): readonly string[] {
  if (a.session === b.session) return [];
  // Each unordered pair once.
  const once = a.acquiredMs < b.acquiredMs || (a.acquiredMs === b.acquiredMs && a.session < b.session);
  const both = `${a.lock}: ${a.session} and ${b.session}`;
  return [
    ...(once && a.fence === b.fence ? [`${both} had the same fence ${a.fence}`] : []),
    ...(a.acquiredMs < b.acquireInvokedMs && a.fence > b.fence
      ? [`${both}: the later had the lower fence, ${b.fence} after ${a.fence}`]
      : []),
    ...(once && a.releasedMs !== undefined && b.releasedMs !== undefined && b.acquiredMs < a.releasedMs
      ? [`${both} held it at once`]
      : []),
  ];
}

/** Ordered pairs of different ones of the same lock. */
function pairs<T extends { readonly lock: string }>(all: readonly T[]): readonly (readonly [T, T])[] {
  const byLock = Map.groupBy(all, ({ lock }) => lock);
  return [...byLock.values()].flatMap((some) =>
    some.flatMap((a) => some.filter((b) => b !== a).map((b) => [a, b] as const)),
  );
}
