/**
 * Keeps a reducer in step with the store: loads everything once, then follows the watch from there; after a
 * lost connection it resumes where it was, after STORE_COMPACTED it loads again.
 *
 * One watch over the whole store instead of one a prefix, so that every write of this process is seen to pass
 * and "applied up to revision R" has a meaning. Pages of a load are of different revisions; the watch starts
 * behind the first one, and what a page held already is recognised by its revision.
 */
import type { Clock } from "../../clock/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { Store, StoreItem, WatchBatch } from "../../store/index.ts";
import {
  aclPoliciesPrefix,
  aclTokensPrefix,
  catalogPrefix,
  eventsPrefix,
  historyCutsPrefix,
  historyPrefix,
  historyRulesPrefix,
  kvPrefix,
  kvTtlPrefix,
  livePrefix,
  queriesPrefix,
  sessionsPrefix,
  sessionTtlPrefix,
} from "../keys.ts";

const loadedPrefixes = [
  catalogPrefix,
  livePrefix,
  kvPrefix,
  kvTtlPrefix,
  historyRulesPrefix,
  historyCutsPrefix,
  historyPrefix,
  sessionsPrefix,
  sessionTtlPrefix,
  eventsPrefix,
  queriesPrefix,
  aclTokensPrefix,
  aclPoliciesPrefix,
];
const pageItems = 1000;
const retryMinMs = 100;
const retryMaxMs = 5000;

export interface FeedTarget {
  /** The whole truth as of `revision`, or later by what the batches up to `until` hold. */
  load(items: readonly StoreItem[], revision: number, until: number): void;
  apply(batch: WatchBatch): void;
  /** The store answers again, or no longer. */
  following(following: boolean): void;
}

export async function loadFrom(store: Store, target: FeedTarget): Promise<number> {
  const items: StoreItem[] = [];
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const prefix of loadedPrefixes) {
    let from: string | undefined;
    do {
      const page = await store.range(
        prefix,
        from === undefined ? { limit: pageItems } : { limit: pageItems, from },
      );
      first = Math.min(first, page.revision);
      last = Math.max(last, page.revision);
      items.push(...page.items);
      const end = page.items.at(-1);
      from = page.more && end ? `${end.key}\u0000` : undefined;
    } while (from !== undefined);
  }
  target.load(items, first, last);
  return first;
}

/** Runs until the signal aborts; never rejects. */
export async function follow(
  options: { readonly store: Store; readonly clock: Clock; readonly random: () => number },
  target: FeedTarget,
  loaded: number,
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, random } = options;
  let applied = loaded;
  let retryMs = retryMinMs;
  while (!signal.aborted) {
    try {
      await store.range(livePrefix, { limit: 1, keysOnly: true });
      target.following(true);
      for await (const batch of store.watch("", applied + 1, signal)) {
        target.apply(batch);
        applied = batch.revision;
        retryMs = retryMinMs;
      }
      if (signal.aborted) return;
      target.following(false);
    } catch (error) {
      if (signal.aborted) return;
      if (isFabricError(error, "STORE_COMPACTED")) {
        const reloaded = await loadFrom(store, target).catch(() => undefined);
        if (reloaded !== undefined) {
          applied = reloaded;
          continue;
        }
      }
      target.following(false);
    }
    await clock.sleep(retryMs * (0.5 + random() / 2), signal).catch(() => undefined);
    retryMs = Math.min(retryMs * 2, retryMaxMs);
  }
}
