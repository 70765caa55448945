/**
 * Which server to try next and after what wait. Pure. The first attempt after a loss is immediate and at another
 * server, if there is one; within a round there is no wait; after a round in which all failed the wait doubles,
 * with jitter, so that ten thousand agents do not come back in one beat.
 */
export interface ServerChoice {
  readonly next: number;
  /** Failures since the last success. */
  readonly failures: number;
}

export const firstChoice: ServerChoice = { next: 0, failures: 0 };

export function afterFailure(choice: ServerChoice, servers: number): ServerChoice {
  return { next: (choice.next + 1) % servers, failures: choice.failures + 1 };
}

/** A session with the chosen server that is over; where there could be none: undefined. */
export interface SessionEnd {
  /** How long the agent was welcome; 0: never. */
  readonly stoodMs: number;
  /** Of the error that ended it. */
  readonly code: string;
}

/**
 * The one that was lost is tried last; but who says that the node's term has ended is well, and may begin the next. What
 * breaks at once, or gives way to a twin of this node, must not be tried again without a wait.
 */
export function afterSession(
  choice: ServerChoice,
  servers: number,
  ended: SessionEnd | undefined,
  { stableAfterMs }: { readonly stableAfterMs: number },
): ServerChoice {
  if (!ended || ended.stoodMs < stableAfterMs || ended.code === "CONTROL_REPLACED")
    return afterFailure(choice, servers);
  const isWell = ended.code === "IPAM_STALE_EPOCH";
  return { next: isWell ? choice.next : (choice.next + 1) % servers, failures: 0 };
}

/** This one and those that may be tried after it without a wait. */
export function restOfRound(choice: ServerChoice, servers: number): readonly ServerChoice[] {
  const rest = [choice];
  for (let next = afterFailure(choice, servers); next.failures % servers !== 0; ) {
    rest.push(next);
    next = afterFailure(next, servers);
  }
  return rest;
}

export function waitBeforeMs(
  choice: ServerChoice,
  servers: number,
  limits: { readonly backoffMinMs: number; readonly backoffMaxMs: number },
  random: () => number,
): number {
  if (choice.failures === 0 || choice.failures % servers !== 0) return 0;
  const rounds = choice.failures / servers;
  const fullMs = Math.min(limits.backoffMaxMs, limits.backoffMinMs * 2 ** (rounds - 1));
  return fullMs * (0.5 + random() / 2);
}
