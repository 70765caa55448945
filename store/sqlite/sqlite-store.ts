/**
 * The embedded store: the pure core of `store/core` in this thread, one SQLite file in a thread of its own.
 *
 * Two states share their structure: `#head`, on which transactions are computed, and `#committed`, what the disk has.
 * Reads and watches see `#committed` only, so nobody ever sees what a crash could take back. Reading memory costs about
 * 1 µs; a round trip to the disk thread costs about 50, which is why the whole store is held here (`totalBytesMax`).
 *
 * Always holds: what was answered survives `kill -9` and power loss (one fsync a group, see group-commit.ts).
 * After a restart: revision and id go on; a lease has its full TTL again; history begins at the current revision, so
 * that a watch from before ends with STORE_COMPACTED. Source: etcd's v3 semantics.
 */
import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { LeaseTimers } from "../core/lease-timers.ts";
import { checkTxn, defaultStoreLimits, newLease, type StoreLimits } from "../core/limits.ts";
import type { StoreOptions } from "../core/options.ts";
import { readRange } from "../core/read-range.ts";
import {
  applyGrant,
  applyLeaseEnd,
  applyTxn,
  isReadOnly,
  restoreState,
  type Step,
  type StoreState,
} from "../core/state.ts";
import { WatchHub } from "../core/watch-hub.ts";
import type { Lease, RangeOptions, RangeResult, Store, Txn, TxnResult, WatchBatch } from "../store.ts";
import { type OpenedDisk, WorkerDisk } from "./disk.ts";
import { GroupCommit } from "./group-commit.ts";
import type { Durability, ItemRow } from "./protocol.ts";

/** Time until an expiry that the disk refused is tried again. */
const expireRetryMs = 1000;

export class SqliteStore implements Store {
  readonly id: string;
  /** The settings in force that make an acknowledged commit durable, as SQLite reported them. */
  readonly durability: Durability;
  readonly #disk: WorkerDisk;
  readonly #clock: Clock;
  readonly #limits: StoreLimits;
  readonly #newId: () => string;
  readonly #leases: LeaseTimers;
  readonly #hub: WatchHub;
  readonly #group: GroupCommit;
  #committed: StoreState;
  #head: StoreState;
  #closing: Promise<void> | undefined;

  private constructor({ disk, opened, rows }: OpenedDisk, options: StoreOptions) {
    this.id = opened.id;
    this.durability = opened.durability;
    this.#disk = disk;
    this.#clock = options.clock ?? systemClock;
    this.#limits = { ...defaultStoreLimits, ...options.limits };
    this.#newId = options.newId ?? randomUUID;
    this.#committed = restoreState(opened.revision, opened.leases, rows.map(itemOf));
    this.#head = this.#committed;
    this.#hub = new WatchHub(this.#limits, opened.revision);
    this.#group = new GroupCommit(disk, this.#limits, () => {
      this.#head = this.#committed;
    });
    this.#leases = new LeaseTimers(this.#clock, (lease) => this.#expire(lease));
    for (const lease of opened.leases) this.#leases.start(lease);
  }

  /** Makes the file (0600) and its directory (0700) if need be. @throws STORE_LOCKED, STORE_CORRUPT, STORE_SCHEMA_NEWER, STORE_UNAVAILABLE */
  static async open(path: string, options: StoreOptions = {}): Promise<SqliteStore> {
    const newId = (options.newId ?? randomUUID)();
    const { fileBytesMax } = { ...defaultStoreLimits, ...options.limits };
    return new SqliteStore(await WorkerDisk.open({ path, fileBytesMax, newId }), options);
  }

  async range(prefix: string, options?: RangeOptions): Promise<RangeResult> {
    this.#assertOpen(`range "${prefix}"`);
    return readRange(this.#committed, prefix, options);
  }

  async txn(txn: Txn): Promise<TxnResult> {
    this.#assertOpen("store transaction");
    checkTxn(txn, this.#limits);
    if (isReadOnly(txn)) return applyTxn(this.#committed, txn, this.#limits).result;
    return this.#submit((state) => applyTxn(state, txn, this.#limits));
  }

  watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#hub.watch(prefix, fromRevision, signal);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#assertOpen("grant lease");
    const leaseGranted = newLease(this.#newId(), ttlMs, this.#limits);
    const lease = await this.#submit((state) => applyGrant(state, leaseGranted, this.#limits), {
      leaseGranted,
    });
    if (!this.#closing) this.#leases.start(lease);
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
    await this.#submit((state) => applyLeaseEnd(state, lease, false), { leaseEnded: lease });
    this.#leases.stop(lease);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#leases.close();
    this.#hub.close();
    await this.#group.settled();
    await this.#disk.close();
  }

  #submit<Result>(
    apply: (state: StoreState) => Step<Result>,
    lease: { readonly leaseGranted?: Lease; readonly leaseEnded?: string } = {},
  ): Promise<Result> {
    this.#group.assertRoom();
    const { state, events, result } = apply(this.#head);
    // It wrote nothing, and what it was computed on is on disk.
    if (state === this.#committed) return Promise.resolve(result);
    this.#head = state;
    return new Promise((resolve, reject) => {
      this.#group.submit({
        ...lease,
        revision: state.revision,
        events,
        done: () => {
          this.#committed = state;
          if (events.length > 0) this.#hub.publish({ revision: state.revision, events });
          resolve(result);
        },
        fail: reject,
      });
    });
  }

  #expire(lease: string): void {
    this.#submitExpiry(lease).catch(() => {
      if (this.#closing || this.#group.broken) return;
      this.#clock.setTimer(expireRetryMs, () => this.#expire(lease));
    });
  }

  async #submitExpiry(lease: string): Promise<void> {
    if (this.#closing) return;
    await this.#submit((state) => applyLeaseEnd(state, lease, true), { leaseEnded: lease });
  }

  #assertOpen(action: string): void {
    if (this.#closing)
      throw new FabricError("STORE_CLOSED", `${action}: the store was closed; open it again`);
  }
}

function itemOf({ lease, ...item }: ItemRow) {
  return lease === null ? item : { ...item, lease };
}
