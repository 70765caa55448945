/**
 * Keeps the history of keys within its bounds: what is too old or too much, and what no rule asks for any more, goes.
 * Runs on one server of a store at a time (daemon/servers/singletons.ts); deleting twice does no harm. A version goes when the one after
 * it is older than the rule's age, so that within that age every revision can be answered.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import type { Store, Write } from "../../store/index.ts";
import { writesPerTxnMax } from "../catalog/catalog-writer.ts";
import { historyCutKey, historyKey } from "../keys.ts";
import { transaction } from "../transaction.ts";
import type { HistoryReads } from "./history-index.ts";
import { historyAgeMaxMs, historyBytesMax, historyCutsMax, type KvVersion } from "./history-model.ts";

export const historyTickMs = 60_000;

export interface HistoryKeeperOptions {
  readonly store: Store;
  readonly history: HistoryReads;
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
  readonly bytesMax?: number;
}

export class HistoryKeeper {
  readonly #options: HistoryKeeperOptions;
  #timer: Timer;
  #running: Promise<void> = Promise.resolve();

  constructor(options: HistoryKeeperOptions) {
    this.#options = options;
    this.#timer = this.#arm();
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#timer.cancel();
    await this.#running;
  }

  #arm(): Timer {
    return this.#options.clock.setTimer(historyTickMs, () => {
      this.#running = this.#sweep().catch(this.#options.onFailure);
      this.#timer = this.#arm();
    });
  }

  async #sweep(): Promise<void> {
    const { store, history, clock, bytesMax = historyBytesMax } = this.#options;
    const gone = surplus(history, clock.wallMs(), bytesMax);
    for (let at = 0; at < gone.length; at += writesPerTxnMax) {
      const writes = gone.slice(at, at + writesPerTxnMax).map((key): Write => ({ op: "delete", key }));
      await store.txn(transaction([], writes));
    }
  }
}

/** Store keys of what is not to be kept. */
export function surplus(history: HistoryReads, nowMs: number, bytesMax: number): readonly string[] {
  const gone: string[] = [];
  const kept: { readonly key: string; readonly name: string; readonly atMs: number }[] = [];
  let bytes = history.bytes;
  const drop = (key: string, name: string) => {
    bytes -= history.bytesOf(key, name);
    gone.push(historyKey(key, name));
  };
  for (const key of history.keys()) {
    const rule = history.ruleOf(key);
    const names = history.names(key);
    const known = history.versions(key);
    for (const [at, name] of names.entries()) {
      const version = history.stored(key, name);
      const place = version ? known.indexOf(version) : -1;
      const end = place < 0 ? undefined : endOf(known, place, nowMs);
      const isKept =
        rule && end !== undefined && names.length - at <= rule.versions && end >= nowMs - rule.ageMs;
      if (isKept) kept.push({ key, name, atMs: version?.atMs ?? 0 });
      else drop(key, name);
    }
  }
  if (bytes > bytesMax) {
    kept.sort((a, b) => a.atMs - b.atMs);
    for (const { key, name } of kept) {
      if (bytes <= bytesMax) break;
      drop(key, name);
    }
  }
  const cuts = history.cuts();
  for (const [at, { name, prefix, revision, atMs }] of cuts.entries()) {
    if (cuts.length - at <= historyCutsMax && atMs >= nowMs - historyAgeMaxMs) continue;
    // Without it, what it ended would seem to stand.
    for (const version of kept)
      if (
        version.key.startsWith(prefix) &&
        (history.stored(version.key, version.name)?.revision ?? 0) < revision
      )
        drop(version.key, version.name);
    gone.push(historyCutKey(name));
  }
  return [...new Set(gone)];
}

/** When something took its place; a deletion that nothing follows ends with itself. */
function endOf(known: readonly KvVersion[], at: number, nowMs: number): number {
  const version = known[at];
  return known[at + 1]?.atMs ?? (version?.action === "put" ? nowMs : (version?.atMs ?? 0));
}
