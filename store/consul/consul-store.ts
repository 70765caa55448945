/**
 * The store in Consul: a log of transactions in its key/value store, and in each server the state that the log leads to.
 *
 * Keys of Consul cannot hold the contract themselves: they count no versions, compare no values, have no branch for a
 * comparison that failed, and a blocking query skips what came in between. What Consul does give is a key that exactly
 * one writer creates. With it servers agree on the order of entries, and the pure core does the rest, on each of them
 * the same. A lease is a key that is written anew when it is renewed; servers end those whose keys stood still.
 *
 * Always holds: what the contract says, for any number of servers over one prefix. A read asks Consul first whether
 * there is another entry. Source: Consul's KV store, transactions, blocking queries and sessions.
 */
import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { checkItems, checkTxn, defaultStoreLimits, newLease, type StoreLimits } from "../core/limits.ts";
import type { StoreOptions } from "../core/options.ts";
import { readRange } from "../core/read-range.ts";
import { replacementWrites } from "../core/replacement.ts";
import { applyTxn, emptyState, isReadOnly } from "../core/state.ts";
import { leaseEnded, storeClosed } from "../core/state-store.ts";
import { WatchHub } from "../core/watch-hub.ts";
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
import { Appender } from "./appender.ts";
import { type ConsulAccess, ConsulApi } from "./consul-api.ts";
import { stages } from "./hold.ts";
import { HoldWatch } from "./hold-watch.ts";
import { identify } from "./identity.ts";
import { judgeLeases } from "./lease-judge.ts";
import { LeaseKeys } from "./lease-keys.ts";
import { type ConsulLimits, consulLimits } from "./limits.ts";
import type { Command } from "./log-entry.ts";
import { LogKeys } from "./log-keys.ts";
import { followLog } from "./log-tail.ts";
import type { Repeat } from "./repeat.ts";
import { type Held, loadSnapshot, Replica } from "./replica.ts";
import { Snapshots } from "./snapshots.ts";

export interface ConsulStoreOptions extends StoreOptions, ConsulAccess {
  readonly prefix: string;
  readonly random?: () => number;
  readonly consulLimits?: Partial<ConsulLimits>;
}

interface Parts {
  readonly api: ConsulApi;
  readonly keys: LogKeys;
  readonly clock: Clock;
  readonly limits: StoreLimits;
  readonly consulLimits: ConsulLimits;
  readonly newId: () => string;
  readonly random: () => number;
}

export class ConsulStore implements Store {
  readonly id: string;
  readonly #parts: Parts;
  readonly #hub: WatchHub;
  readonly #replica: Replica;
  readonly #appender: Appender;
  readonly #snapshots: Snapshots;
  readonly #tail: Repeat;
  readonly #judge: Repeat;
  readonly #leases: LeaseKeys;
  readonly #holds: HoldWatch;
  #closing: Promise<void> | undefined;

  private constructor(parts: Parts, id: string, held: Held) {
    const { api, keys, clock, limits, consulLimits: times, newId } = parts;
    this.id = id;
    this.#parts = parts;
    this.#hub = new WatchHub(limits, held.state.revision, held.state.revision === emptyState.revision);
    this.#snapshots = new Snapshots({ ...parts, limits: times });
    this.#appender = new Appender({
      api,
      keys,
      clock,
      limits: times,
      pendingMax: limits.pendingTxnsMax,
      newId,
    });
    this.#replica = new Replica(
      {
        api,
        keys,
        hub: this.#hub,
        onEntry: (writer, outcomes) => {
          this.#appender.applied(writer, outcomes);
          this.#snapshots.consider(() => this.#replica.held);
          this.#holds.look(this.#replica.held.hold);
        },
        onJump: () => {
          this.#appender.lost();
          this.#holds.look(this.#replica.held.hold);
        },
      },
      held,
    );
    this.#holds = new HoldWatch(clock, limits.restoreStallMs, async (id) => {
      await this.#appender.append(this.#replica, { kind: "drop", id });
    });
    this.#holds.look(held.hold);
    const shared = { ...parts, limits: times, hub: this.#hub, replica: this.#replica };
    this.#tail = followLog(shared);
    this.#leases = new LeaseKeys(parts);
    this.#judge = judgeLeases({
      ...shared,
      end: async (lease) => void (await this.#appender.append(this.#replica, { kind: "end", lease })),
    });
  }

  /** @throws STORE_UNAVAILABLE, STORE_DENIED, STORE_CORRUPT, STORE_SCHEMA_NEWER, STORE_INVALID_PREFIX */
  static async open(options: ConsulStoreOptions): Promise<ConsulStore> {
    const parts: Parts = {
      api: new ConsulApi(options, { ...consulLimits, ...options.consulLimits }),
      keys: new LogKeys(options.prefix),
      clock: options.clock ?? systemClock,
      limits: { ...defaultStoreLimits, ...options.limits },
      consulLimits: { ...consulLimits, ...options.consulLimits },
      newId: options.newId ?? randomUUID,
      random: options.random ?? Math.random,
    };
    const { api, keys } = parts;
    try {
      const id = await identify(api, keys, parts.newId);
      const store = new ConsulStore(parts, id, await loadSnapshot(api, keys));
      await store.#replica.catchUp();
      store.#tail.start();
      store.#judge.start();
      return store;
    } catch (error) {
      api.close();
      throw error;
    }
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangeResult> {
    this.#assertOpen(`range "${prefix}"`);
    if (!options.stale) await this.#replica.catchUp();
    return readRange(this.#replica.held.state, prefix, options);
  }

  async txn(txn: Txn): Promise<TxnResult> {
    this.#assertOpen("store transaction");
    const { limits } = this.#parts;
    checkTxn(txn, limits);
    if (!isReadOnly(txn))
      return (await this.#appender.append(this.#replica, { kind: "txn", txn })) as TxnResult;
    await this.#replica.catchUp();
    return applyTxn(this.#replica.held.state, txn, limits).result;
  }

  watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#hub.watch(prefix, fromRevision, signal);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#assertOpen("grant lease");
    const { limits, newId } = this.#parts;
    const lease = newLease(newId(), ttlMs, limits);
    if (this.#replica.held.state.leases.size >= limits.leasesMax) {
      throw new FabricError("STORE_LIMIT", `grant lease: ${limits.leasesMax} leases are there; revoke some`, {
        details: { limit: "leasesMax", max: limits.leasesMax },
      });
    }
    await this.#leases.open(lease.id);
    await this.#appender.append(this.#replica, { kind: "grant", lease });
    return lease;
  }

  async keepAlive(lease: string): Promise<void> {
    this.#assertOpen(`keep lease ${lease} alive`);
    if (!(await this.#leases.renew(lease))) throw leaseEnded(lease);
    // Its end may be in the log while its key is still there; and it may be one of another server, not seen here yet.
    const isThere = () => this.#replica.held.state.leases.get(lease) !== undefined;
    if (!isThere()) await this.#replica.catchUp();
    if (!isThere()) throw leaseEnded(lease);
  }

  async replace(replacement: Replacement): Promise<number> {
    this.#assertOpen("replace what the store holds");
    const { limits, consulLimits: times, newId } = this.#parts;
    checkItems(replacement, limits);
    const id = newId();
    const append = (command: Command) => this.#appender.append(this.#replica, command);
    await append({ kind: "hold", id });
    try {
      const writes = replacementWrites(this.#replica.held.state.items.prefix(""), replacement);
      for (const part of stages(writes, times.entryBytesMax))
        await append({ kind: "stage", id, writes: part });
      return (await append({ kind: "replace", id })) as number;
    } catch (error) {
      await append({ kind: "drop", id }).catch(() => undefined);
      throw error;
    }
  }

  async revokeLease(lease: string): Promise<void> {
    this.#assertOpen(`revoke lease ${lease}`);
    await this.#appender.append(this.#replica, { kind: "end", lease });
    await this.#leases.remove(lease);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#holds.close();
    this.#hub.close();
    await this.#appender.settled();
    await Promise.all([this.#tail.close(), this.#judge.close(), this.#snapshots.settled()]);
    this.#parts.api.close();
  }

  #assertOpen(action: string): void {
    if (this.#closing) throw storeClosed(action);
  }
}
