/**
 * The way to a server: of those that may be tried now, the first that answers. One that says nothing for a moment, as a
 * machine without power or a frozen process whose kernel takes connections, is not waited for alone: the next is tried beside it.
 *
 * Always holds: only the one that is returned is ever greeted. So no server begins a join, let alone a session, for nothing;
 * the others lose a handshake, or a socket that they had not read yet.
 *
 * A server that thousands knock at looks frozen, too. Each of them then knocks at the others, once: no server lets in more than if it
 * were the only one. As everybody's moment is another, their order at the next is not that of the first, and so it mostly
 * begins with those whose turn would be late there: together they have all agents in sooner.
 *
 * Source: RFC 8305 section 5 (happy eyeballs).
 */
import type { Clock } from "../../clock/index.ts";
import type { ControlClientLimits } from "../limits.ts";

export interface Reachable {
  /** Rejects at the latest after its own time, and when it is closed. */
  reach(): Promise<void>;
  close(goodbye: boolean): Promise<void>;
}

export interface Attempts<Candidate extends Reachable> {
  /** Undefined when it is not to be tried. */
  readonly begin: (server: string) => Promise<Candidate | undefined>;
  readonly failed: (server: string, error: unknown) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: Pick<ControlClientLimits, "hedgeMs">;
  readonly signal: AbortSignal;
}

export interface Reached<Candidate> {
  /** Among the servers. */
  readonly index: number;
  readonly candidate: Candidate;
}

/** Undefined when none was reached, or the signal ended it. Every other connection that was begun is closed. */
export async function firstReached<Candidate extends Reachable>(
  servers: readonly string[],
  { begin, failed, clock, random, limits, signal }: Attempts<Candidate>,
): Promise<Reached<Candidate> | undefined> {
  let first: Reached<Candidate> | undefined;
  const begun: Candidate[] = [];
  const attempts: Promise<void>[] = [];
  const over = Promise.withResolvers<void>();
  const isOver = () => first !== undefined || signal.aborted;
  const onAbort = () => over.resolve();
  signal.addEventListener("abort", onAbort);
  for (const [index, server] of servers.entries()) {
    const candidate = isOver() ? undefined : await begin(server);
    if (!candidate) continue;
    begun.push(candidate);
    const attempt = candidate.reach().then(
      () => {
        first ??= { index, candidate };
        over.resolve();
      },
      (error: unknown) => {
        if (!isOver()) failed(server, error);
      },
    );
    attempts.push(attempt);
    const patience = Promise.withResolvers<void>();
    const timer = clock.setTimer(limits.hedgeMs * (1 + random()), patience.resolve);
    await Promise.race([over.promise, attempt, patience.promise]);
    timer.cancel();
  }
  await Promise.race([over.promise, Promise.all(attempts)]);
  signal.removeEventListener("abort", onAbort);
  if (signal.aborted) first = undefined;
  const others = begun.filter((each) => each !== first?.candidate);
  await Promise.all(others.map((each) => each.close(false)));
  return first;
}
