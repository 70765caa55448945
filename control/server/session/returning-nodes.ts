/**
 * Nodes whose agents have yet to come back to a server that was restarted. Leases begin anew with the store, but ten
 * thousand agents need longer to join than one lasts: their nodes would be dead for everybody, and alive again one after
 * the other, each time with all that runs on them. So who was alive is kept alive for as long as the joins take.
 *
 * Only where no other server serves the store: agents that lost one of several are at another within a second.
 */
import type { Clock } from "../../../clock/index.ts";
import { livePrefix } from "../../../registry/index.ts";
import type { Store } from "../../../store/index.ts";
import type { ControlServerLimits } from "../../limits.ts";

export interface ReturningNodesOptions {
  readonly store: Pick<Store, "range" | "keepAlive">;
  readonly clock: Clock;
  readonly limits: Pick<ControlServerLimits, "liveTtlMs" | "returnPerNodeMs" | "returnMaxMs">;
  readonly signal: AbortSignal;
}

/** Resolves when all are back or their time is over. @throws STORE_UNAVAILABLE, STORE_CLOSED */
export async function keepReturningNodes({
  store,
  clock,
  limits,
  signal,
}: ReturningNodesOptions): Promise<void> {
  const { liveTtlMs, returnPerNodeMs, returnMaxMs } = limits;
  const before = new Set(await leasesOf(store));
  const graceMs = Math.min(returnMaxMs, before.size * returnPerNodeMs);
  // A lease that is let go of lasts for its TTL.
  const endMs = clock.monotonicMs() + graceMs - liveTtlMs;
  while (clock.monotonicMs() < endMs) {
    await clock.sleep(liveTtlMs / 4, signal).catch(() => undefined);
    if (signal.aborted) return;
    // Who came back hangs on a lease of its new session.
    const missing = (await leasesOf(store)).filter((lease) => before.has(lease));
    if (missing.length === 0) return;
    await Promise.allSettled(missing.map((lease) => store.keepAlive(lease)));
  }
}

async function leasesOf(store: Pick<Store, "range">): Promise<string[]> {
  const { items } = await store.range(livePrefix, { keysOnly: true });
  return items.flatMap(({ lease }) => lease ?? []);
}
