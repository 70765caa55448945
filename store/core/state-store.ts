/**
 * The front that engines share whose whole state is in this process: limits, reads, watches and leases over the pure
 * core. An engine adds one thing, `submit`: when a step counts as done.
 *
 * Always holds: reads and watches see `committed` only; a lease's timer runs while the lease is committed; an
 * expiry that the engine refused is tried again.
 */
import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type {
  Lease,
  RangeOptions,
  RangeResult,
  Replacement,
  Store,
  Txn,
  TxnResult,
  WatchBatch,
} from "../store.ts";
import { LeaseTimers } from "./lease-timers.ts";
import { checkItems, checkTxn, defaultStoreLimits, newLease, type StoreLimits } from "./limits.ts";
import type { StoreOptions } from "./options.ts";
import { readRange } from "./read-range.ts";
import {
  applyGrant,
  applyLeaseEnd,
  applyReplacement,
  applyTxn,
  emptyState,
  isReadOnly,
  type Step,
  type StoreState,
} from "./state.ts";
import { WatchHub } from "./watch-hub.ts";

/** Time until an expiry that the engine refused is tried again. */
const expireRetryMs = 1000;

/** What a step does to leases, for engines that write it down. */
export interface LeaseChange {
  readonly leaseGranted?: Lease;
  readonly leaseEnded?: string;
}

export abstract class StateStore implements Store {
  abstract readonly id: string;
  protected readonly limits: StoreLimits;
  protected readonly newId: () => string;
  protected readonly hub: WatchHub;
  readonly #clock: Clock;
  readonly #leases: LeaseTimers;
  #closing: Promise<void> | undefined;

  constructor(options: StoreOptions, state: StoreState) {
    this.limits = { ...defaultStoreLimits, ...options.limits };
    this.newId = options.newId ?? randomUUID;
    this.#clock = options.clock ?? systemClock;
    this.hub = new WatchHub(this.limits, state.revision, state.revision === emptyState.revision);
    this.#leases = new LeaseTimers(this.#clock, (lease) => this.#expire(lease));
    state.leases.scan("", (_, lease) => {
      this.#leases.start(lease);
      return true;
    });
  }

  /** What nobody can take back any more. */
  protected abstract get committed(): StoreState;
  /** Applies the step to what was submitted before; answers when it is committed and published. */
  protected abstract submit<Result>(
    apply: (state: StoreState) => Step<Result>,
    lease?: LeaseChange,
  ): Promise<Result>;
  /** Why nothing will ever be written again: then expiries end, too. */
  protected abstract get broken(): boolean;
  /** Finishes what was submitted and lets go of the engine. */
  protected abstract finish(): Promise<void>;

  async range(prefix: string, options?: RangeOptions): Promise<RangeResult> {
    this.#assertOpen(`range "${prefix}"`);
    return readRange(this.committed, prefix, options);
  }

  async txn(txn: Txn): Promise<TxnResult> {
    this.#assertOpen("store transaction");
    checkTxn(txn, this.limits);
    if (isReadOnly(txn)) return applyTxn(this.committed, txn, this.limits).result;
    return this.submit((state) => applyTxn(state, txn, this.limits));
  }

  async replace(replacement: Replacement): Promise<number> {
    this.#assertOpen("replace what the store holds");
    checkItems(replacement, this.limits);
    return this.submit((state) => applyReplacement(state, replacement, this.limits));
  }

  watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.hub.watch(prefix, fromRevision, signal);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#assertOpen("grant lease");
    const leaseGranted = newLease(this.newId(), ttlMs, this.limits);
    const lease = await this.submit((state) => applyGrant(state, leaseGranted, this.limits), {
      leaseGranted,
    });
    if (!this.#closing) this.#leases.start(lease);
    return lease;
  }

  async keepAlive(lease: string): Promise<void> {
    this.#assertOpen(`keep lease ${lease} alive`);
    if (!this.#leases.renew(lease)) throw leaseEnded(lease);
  }

  async revokeLease(lease: string): Promise<void> {
    this.#assertOpen(`revoke lease ${lease}`);
    await this.submit((state) => applyLeaseEnd(state, lease), { leaseEnded: lease });
    this.#leases.stop(lease);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#leases.close();
    this.hub.close();
    await this.finish();
  }

  #expire(lease: string): void {
    this.#submitExpiry(lease).catch(() => {
      if (this.#closing || this.broken) return;
      this.#clock.setTimer(expireRetryMs, () => this.#expire(lease));
    });
  }

  async #submitExpiry(lease: string): Promise<void> {
    if (this.#closing) return;
    await this.submit((state) => applyLeaseEnd(state, lease), { leaseEnded: lease });
  }

  #assertOpen(action: string): void {
    if (this.#closing) throw storeClosed(action);
  }
}

export function storeClosed(action: string): FabricError {
  return new FabricError("STORE_CLOSED", `${action}: the store was closed; open it again`);
}

export function leaseEnded(lease: string): FabricError {
  return new FabricError(
    "STORE_LEASE_NOT_FOUND",
    `keep lease ${lease} alive: it has ended; grant a new one`,
    { details: { lease } },
  );
}
