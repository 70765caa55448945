/**
 * Ends the leases that nobody renews. Every server looks at the leases' keys once a `leaseLookMs`; one whose key stood
 * still for its time is overdue. Its key is then deleted on condition that it still is as it was seen, so between a
 * renewal and the end Consul decides, and each lease is ended by one server. Whoever sees a lease of the state without
 * its key appends the lease's end: at once if the key was his, else by the next look, should that server be dead.
 *
 * Always holds: a lease lasts at least its time after its last renewal that was answered, and the key is there before
 * the lease is in the log. Ends at most `leaseLookMs` and some requests later than it could, while Consul answers.
 */
import { LeaseSightings } from "./lease-sightings.ts";
import type { ConsulLimits } from "./limits.ts";
import type { LogTailOptions } from "./log-tail.ts";
import { Repeat } from "./repeat.ts";

export interface LeaseJudgeOptions extends LogTailOptions {
  readonly limits: ConsulLimits;
  end(lease: string): Promise<void>;
}

export function judgeLeases(options: LeaseJudgeOptions): Repeat {
  const { api, keys, clock, limits, replica, end } = options;
  const sightings = new LeaseSightings({ gapMaxMs: limits.leaseGapMaxMs, strayMs: limits.leaseStrayMs });
  let missedBefore: ReadonlySet<string> = new Set();
  const look = async () => {
    const { leases } = replica.held.state;
    const rows = await api.indexes(keys.leases);
    const found = new Map([...rows].map(([key, index]) => [key.slice(keys.leases.length), index]));
    const overdue = sightings.look(found, (id) => leases.get(id)?.ttlMs, clock.monotonicMs());
    const ended = await api.deleteUnchanged(
      new Map([...overdue].map(([id, index]) => [keys.lease(id), index])),
    );
    const missed = new Set(leases.prefix("").flatMap(({ id }) => (found.has(id) ? [] : [id])));
    const mine = [...overdue.keys()].filter((id) => ended.has(keys.lease(id)));
    const left = [...mine, ...[...missed].filter((id) => missedBefore.has(id))];
    missedBefore = missed;
    // Another server may have been faster meanwhile.
    await Promise.all(left.filter((id) => replica.held.state.leases.get(id)).map(end));
  };
  return new Repeat({
    ...options,
    turn: async (signal) => {
      await clock.sleep(limits.leaseLookMs, signal);
      await look();
    },
    failed: () => sightings.forget(),
  });
}
