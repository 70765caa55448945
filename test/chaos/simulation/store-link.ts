/**
 * A server's way to the store: the one MemoryStore of the fabric behind a network that delays, reorders and cuts.
 * Errors are those of the store's contract: STORE_UNAVAILABLE when nothing happened, STORE_AMBIGUOUS when nobody
 * can say. A watch is a stream: in order, and at an end when the link is cut.
 */
import { FabricError } from "../../../errors/index.ts";
import type { Store, Txn, WatchBatch } from "../../../store/index.ts";
import type { Life } from "./life.ts";
import type { Network } from "./network.ts";
import type { Scheduler } from "./scheduler.ts";

export interface StoreLinkOptions {
  readonly store: Store;
  readonly life: Life;
  readonly network: Network;
  readonly scheduler: Scheduler;
  /** Planted bug: a watch that goes on after a loss begins one revision late. */
  readonly resumesLate?: boolean;
  /** Planted bug: a node's liveness hangs on no lease. */
  readonly outlivesLease?: boolean;
}

const livePrefix = "live/";
/** The machine of the store, as far as links are concerned. */
export const storeName = "store";
export const storeTimeoutMs = 5000;

export function storeLink(options: StoreLinkOptions): Store {
  const { store, life, network, scheduler } = options;
  const here = life.machine.name;
  let watches = 0;

  /** `lost` makes the error of a request that was carried out, but whose answer did not arrive. */
  async function ask<T>(label: string, act: () => Promise<T>, lost: () => FabricError): Promise<T> {
    const askedAtMs = life.clock.monotonicMs();
    const isLate = () => life.clock.monotonicMs() - askedAtMs > storeTimeoutMs;
    await scheduler.point(life, `store ${label}`);
    if (network.isCut(here, storeName) || isLate()) throw unavailable(label);
    const answer = await act();
    await scheduler.point(life, `stored ${label}`);
    if (network.isCut(storeName, here) || isLate()) throw lost();
    return answer;
  }

  const read = <T>(label: string, act: () => Promise<T>) => ask(label, act, () => unavailable(label));
  const write = <T>(label: string, act: () => Promise<T>) => ask(label, act, () => ambiguous(label));

  async function* watch(prefix: string, from: number, signal: AbortSignal): AsyncGenerator<WatchBatch> {
    const start = options.resumesLate && watches > 0 ? from + 1 : from;
    watches += 1;
    const batches = store.watch(prefix, start, AbortSignal.any([signal, life.signal]));
    for await (const batch of batches) {
      await scheduler.point(life, `watched ${batch.revision}`);
      if (network.isCut(storeName, here)) throw unavailable("watch");
      yield batch;
    }
  }

  return {
    id: store.id,
    range: (prefix, range) => read(`range ${prefix}`, () => store.range(prefix, range)),
    txn: (txn) =>
      (isRead(txn) ? read : write)(`txn ${firstKey(txn)}`, () =>
        store.txn(options.outlivesLease ? withoutLease(txn) : txn),
      ),
    replace: (replacement) => write("replace", () => store.replace(replacement)),
    watch,
    grantLease: (ttlMs) => write("grant", () => store.grantLease(ttlMs)),
    keepAlive: (lease) => read("keep alive", () => store.keepAlive(lease)),
    revokeLease: (lease) => write("revoke", () => store.revokeLease(lease)),
    close: async () => undefined,
  };
}

export function isRead({ success, failure = [] }: Txn): boolean {
  return [...success, ...failure].every(({ op }) => op === "get" || op === "range");
}

function withoutLease(txn: Txn): Txn {
  const success = txn.success.map((operation) => {
    if (operation.op !== "put" || !operation.key.startsWith(livePrefix)) return operation;
    const { lease: _, ...free } = operation;
    return free;
  });
  return { ...txn, success };
}

function firstKey({ success }: Txn): string {
  const [first] = success;
  if (!first) return "";
  return "key" in first ? first.key : first.prefix;
}

function unavailable(label: string): FabricError {
  return new FabricError("STORE_UNAVAILABLE", `${label}: the store is out of reach; try again`);
}

function ambiguous(label: string): FabricError {
  return new FabricError("STORE_AMBIGUOUS", `${label}: the answer was lost; read before you write again`);
}
