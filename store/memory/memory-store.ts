/**
 * The store in memory: the reference that every other engine is held to, and what tests and the simulation run on.
 * It is the pure core of `store/core` and nothing else, so each call has taken effect when it returns its promise.
 */
import { randomUUID } from "node:crypto";
import { systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { LeaseTimers } from "../core/lease-timers.ts";
import { checkTxn, defaultStoreLimits, newLease, type StoreLimits } from "../core/limits.ts";
import type { StoreOptions } from "../core/options.ts";
import { readRange } from "../core/read-range.ts";
import { applyGrant, applyLeaseEnd, applyTxn, emptyState, type Step } from "../core/state.ts";
import { WatchHub } from "../core/watch-hub.ts";
import type { Lease, RangeOptions, RangeResult, Store, Txn, TxnResult, WatchBatch } from "../store.ts";

export class MemoryStore implements Store {
  readonly id: string;
  readonly #limits: StoreLimits;
  readonly #newId: () => string;
  readonly #leases: LeaseTimers;
  readonly #hub: WatchHub;
  #state = emptyState;
  #closed = false;

  constructor(options: StoreOptions = {}) {
    this.#newId = options.newId ?? randomUUID;
    this.id = this.#newId();
    this.#limits = { ...defaultStoreLimits, ...options.limits };
    this.#leases = new LeaseTimers(options.clock ?? systemClock, (lease) => this.#endLease(lease, true));
    this.#hub = new WatchHub(this.#limits, this.#state.revision);
  }

  async range(prefix: string, options?: RangeOptions): Promise<RangeResult> {
    this.#assertOpen(`range "${prefix}"`);
    return readRange(this.#state, prefix, options);
  }

  async txn(txn: Txn): Promise<TxnResult> {
    this.#assertOpen("store transaction");
    checkTxn(txn, this.#limits);
    return this.#commit(applyTxn(this.#state, txn, this.#limits));
  }

  watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#hub.watch(prefix, fromRevision, signal);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#assertOpen("grant lease");
    const lease = this.#commit(
      applyGrant(this.#state, newLease(this.#newId(), ttlMs, this.#limits), this.#limits),
    );
    this.#leases.start(lease);
    return lease;
  }

  async keepAlive(lease: string): Promise<void> {
    this.#assertOpen(`keep lease ${lease} alive`);
    if (this.#leases.renew(lease)) return;
    throw new FabricError(
      "STORE_LEASE_NOT_FOUND",
      `keep lease ${lease} alive: it has ended; grant a new one`,
      {
        details: { lease },
      },
    );
  }

  async revokeLease(lease: string): Promise<void> {
    this.#assertOpen(`revoke lease ${lease}`);
    this.#endLease(lease, false);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#leases.close();
    this.#hub.close();
  }

  #endLease(lease: string, expired: boolean): void {
    this.#leases.stop(lease);
    this.#commit(applyLeaseEnd(this.#state, lease, expired));
  }

  #commit<Result>(step: Step<Result>): Result {
    this.#state = step.state;
    if (step.events.length > 0) this.#hub.publish({ revision: step.state.revision, events: step.events });
    return step.result;
  }

  #assertOpen(action: string): void {
    if (this.#closed) throw new FabricError("STORE_CLOSED", `${action}: the store was closed; open it again`);
  }
}
