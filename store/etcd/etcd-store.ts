/**
 * The store in etcd: reads, transactions and leases are etcd's own; watches are served from one bounded history in this
 * process (`core/watch-hub.ts`) that one watch of etcd feeds, so a thousand of them cost etcd one.
 *
 * etcd counts revisions for all its users. What this store calls its revision is the last one at which a key of its own
 * changed; to know it for a read, the read waits until the watch has come to the read's revision. Where others write
 * to the same etcd the watch may have nothing to bring: then a write to a key of ours (`fence`) tells how far it is.
 *
 * A transaction of etcd is bounded; a replacement is many of them, which nobody sees the middle of (restore/).
 *
 * Always holds: what the contract says, for any number of processes over one prefix. Source: etcd's v3 API.
 */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { type Clock, systemClock } from "../../clock/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import { LeaseTimers } from "../core/lease-timers.ts";
import { checkItems, checkTxn, defaultStoreLimits, newLease, type StoreLimits } from "../core/limits.ts";
import type { StoreOptions } from "../core/options.ts";
import { replacementWrites } from "../core/replacement.ts";
import { restoring } from "../core/restoring.ts";
import { isReadOnly } from "../core/state.ts";
import { leaseEnded, storeClosed } from "../core/state-store.ts";
import { WatchHub } from "../core/watch-hub.ts";
import type {
  Lease,
  RangeOptions,
  RangeResult,
  Replacement,
  Store,
  StoreItem,
  Txn,
  TxnResult,
  WatchBatch,
} from "../store.ts";
import { unavailable } from "./call-failure.ts";
import { calls } from "./calls.ts";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { type Identity, identify } from "./identity.ts";
import { Keyspace } from "./keyspace.ts";
import { LeaseStream } from "./lease-stream.ts";
import { type EtcdLimits, etcdLimits } from "./limits.ts";
import {
  LeaseGrantRequestSchema,
  LeaseRevokeRequestSchema,
  PutRequestSchema,
  RangeRequestSchema,
  type TxnResponse,
} from "./proto/gen/etcd_pb.ts";
import { Restorer } from "./restore/restorer.ts";
import { leaseNumber, planTxn, unlessRestoring, wrote } from "./txn-plan.ts";
import { WatchFeed } from "./watch-feed.ts";

export interface EtcdStoreOptions extends StoreOptions, Pick<ClusterOptions, "addresses" | "user"> {
  /** Absent: plain text. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  readonly prefix: string;
  readonly etcdLimits?: Partial<EtcdLimits>;
}

interface Parts {
  readonly cluster: Cluster;
  readonly space: Keyspace;
  readonly limits: StoreLimits;
  readonly etcdLimits: EtcdLimits;
  readonly clock: Clock;
  readonly restorer: Restorer;
}

export class EtcdStore implements Store {
  readonly id: string;
  readonly #parts: Parts;
  readonly #hub: WatchHub;
  readonly #feed: WatchFeed;
  readonly #leaseStream: LeaseStream;
  /** Of the leases granted here, for their number only: etcd ends them. */
  readonly #granted: LeaseTimers;
  #fencing = false;
  #closing: Promise<void> | undefined;

  private constructor(parts: Parts, identity: Identity) {
    const { cluster, space, limits, clock } = parts;
    this.id = identity.id;
    this.#parts = parts;
    this.#hub = new WatchHub(limits, identity.revision, identity.created);
    this.#granted = new LeaseTimers(clock, () => {});
    this.#leaseStream = new LeaseStream(cluster, clock);
    const { restorer } = parts;
    this.#feed = new WatchFeed(
      {
        cluster,
        space,
        hub: this.#hub,
        clock,
        limits: parts.etcdLimits,
        currentRevision: () => this.#quietRevision(),
        onMarker: (modRevision) => restorer.saw(modRevision),
      },
      identity.revision + 1,
    );
  }

  /** @throws STORE_UNAVAILABLE, STORE_DENIED, STORE_CORRUPT, STORE_SCHEMA_NEWER, STORE_INVALID_PREFIX */
  static async open(options: EtcdStoreOptions): Promise<EtcdStore> {
    const clock = options.clock ?? systemClock;
    const limits = { ...defaultStoreLimits, ...options.limits };
    const times = { ...etcdLimits, ...options.etcdLimits };
    const space = new Keyspace(options.prefix);
    const { tls } = options;
    const channel = tls
      ? credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null)
      : credentials.createInsecure();
    const cluster = new Cluster({
      ...options,
      credentials: channel,
      clock,
      limits: times,
      pendingMax: limits.pendingTxnsMax,
    });
    const restorer = new Restorer({ cluster, space, clock, stallMs: limits.restoreStallMs });
    try {
      for (;;) {
        const identity = await identify(cluster, space, options.newId ?? randomUUID);
        // What stood at the revision to begin from must not be the middle of a replacement.
        const standing = await restorer.standing(identity.revision);
        if (!standing)
          return new EtcdStore({ cluster, space, limits, etcdLimits: times, clock, restorer }, identity);
        restorer.saw(standing.modRevision);
        await clock.sleep(times.retryMaxMs);
      }
    } catch (error) {
      restorer.close();
      await cluster.close();
      throw error;
    }
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangeResult> {
    const action = `range "${prefix}"`;
    this.#assertOpen(action);
    for (;;) {
      const { revision, items, more } = await this.#read(prefix, options, action);
      const { reached } = this.#hub;
      const mayLag = options.stale === true && revision <= reached;
      const own = mayLag ? this.#hub.lastChange(revision) : await this.#ownRevision(revision, action);
      if (!this.#feed.isTorn(revision)) return { revision: own, items, more };
    }
  }

  async txn(txn: Txn): Promise<TxnResult> {
    const action = "store transaction";
    this.#assertOpen(action);
    const { cluster, space, limits } = this.#parts;
    checkTxn(txn, limits);
    const { request, answer } = planTxn(space, txn);
    const readOnly = isReadOnly(txn);
    for (;;) {
      const asked = readOnly ? request : unlessRestoring(space, request);
      const outer = await cluster.call(calls.txn, asked, { action, repeatable: readOnly });
      const { succeeded, responses } = readOnly ? outer : (innerOf(outer) ?? {});
      if (succeeded === undefined || responses === undefined) throw restoring(action);
      const reached = Number(outer.header?.revision);
      const results = answer(succeeded, responses, reached);
      if (wrote(responses)) return { revision: reached, succeeded, results };
      const revision = await this.#ownRevision(reached, action);
      if (!this.#feed.isTorn(reached)) return { revision, succeeded, results };
    }
  }

  watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#hub.watch(prefix, fromRevision, signal);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#assertOpen("grant lease");
    const { cluster, limits } = this.#parts;
    newLease("", ttlMs, limits);
    if (this.#granted.size >= limits.leasesMax) {
      throw new FabricError(
        "STORE_LIMIT",
        `grant lease: ${limits.leasesMax} leases of this process are there; revoke some`,
        { details: { limit: "leasesMax", max: limits.leasesMax } },
      );
    }
    // Granted twice, one of them has no keys and ends by itself.
    const { id, ttl } = await cluster.call(
      calls.leaseGrant,
      create(LeaseGrantRequestSchema, { ttl: BigInt(Math.ceil(ttlMs / 1000)) }),
      { action: "grant lease", repeatable: true },
    );
    const lease = { id: `${id}`, ttlMs: Number(ttl) * 1000 };
    if (!this.#closing) this.#granted.start(lease);
    return lease;
  }

  async keepAlive(lease: string): Promise<void> {
    const action = `keep lease ${lease} alive`;
    this.#assertOpen(action);
    const { cluster, etcdLimits: times } = this.#parts;
    const number = leaseNumber(lease);
    const ttl = await cluster.onSomeMember(action, times.requestTimeoutMs, (member, leftMs) =>
      this.#leaseStream.keepAlive(member, number, Math.min(leftMs, times.attemptTimeoutMs)),
    );
    if (ttl === 0) throw leaseEnded(lease);
    this.#granted.renew(lease);
  }

  async replace(replacement: Replacement): Promise<number> {
    const action = "replace what the store holds";
    this.#assertOpen(action);
    const { restorer, limits } = this.#parts;
    checkItems(replacement, limits);
    const revision = await restorer.replace(async () =>
      replacementWrites((await this.#read("", {}, action)).items, replacement),
    );
    if (revision === undefined) return (await this.range("", { limit: 0 })).revision;
    return this.#ownRevision(revision, action);
  }

  async revokeLease(lease: string): Promise<void> {
    const action = `revoke lease ${lease}`;
    this.#assertOpen(action);
    try {
      const request = create(LeaseRevokeRequestSchema, { id: leaseNumber(lease) });
      await this.#parts.cluster.call(calls.leaseRevoke, request, { action, repeatable: true });
    } catch (error) {
      if (!isFabricError(error, "STORE_LEASE_NOT_FOUND")) throw error;
    }
    this.#granted.stop(lease);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#granted.close();
    this.#parts.restorer.close();
    this.#hub.close();
    await this.#feed.close();
    this.#leaseStream.close();
    await this.#parts.cluster.close();
  }

  /** Pages of one revision; `revision` is etcd's. */
  async #read(prefix: string, options: RangeOptions, action: string): Promise<RangeResult> {
    const { cluster, space, etcdLimits: times } = this.#parts;
    const { limit = Number.POSITIVE_INFINITY, from, keysOnly = false, stale = false } = options;
    const items: StoreItem[] = [];
    let span = space.range(prefix, from);
    let pinned = 0;
    for (;;) {
      // Zero is no limit to etcd.
      const count = Math.min(Math.max(1, limit - items.length), times.pageItemsMax);
      const { kvs, more, header } = await cluster.call(
        calls.range,
        create(RangeRequestSchema, {
          ...span,
          limit: BigInt(count),
          revision: BigInt(pinned),
          keysOnly,
          serializable: stale,
        }),
        { action, repeatable: true },
      );
      pinned ||= Number(header?.revision);
      const last = kvs.at(-1);
      if (limit === 0) return { revision: pinned, items, more: kvs.length > 0 };
      for (const kv of kvs) items.push(space.item(kv));
      if (!more || !last || items.length >= limit) return { revision: pinned, items, more };
      span = { ...span, key: Buffer.concat([last.key, Buffer.of(0)]) };
    }
  }

  /** The last change of ours up to the revision of etcd: known once the watch has come so far. */
  async #ownRevision(revision: number, action: string): Promise<number> {
    if (revision > this.#hub.reached) {
      const { clock, etcdLimits: times } = this.#parts;
      const patience = new AbortController();
      const timers = [
        clock.setTimer(times.fenceAfterMs, () => void this.#fence()),
        clock.setTimer(times.suspectAfterMs, () => this.#feed.suspect()),
        clock.setTimer(times.requestTimeoutMs, () =>
          patience.abort(
            this.#feed.isTorn(revision)
              ? restoring(action)
              : unavailable(action, `the watch did not come to revision ${revision} in time`),
          ),
        ),
      ];
      try {
        await this.#hub.until(revision, patience.signal);
      } finally {
        for (const timer of timers) timer.cancel();
      }
    }
    return this.#hub.lastChange(revision);
  }

  /** Rejects while a replacement is under way: what it reads would be neither the old nor the new. */
  async #quietRevision(): Promise<number> {
    const { revision } = await this.#read("", { limit: 0 }, "find the revision");
    const standing = await this.#parts.restorer.standing(revision);
    if (!standing) return revision;
    this.#parts.restorer.saw(standing.modRevision);
    throw restoring("find the revision");
  }

  /** Gives the watch something to bring. Whether it worked shows there. */
  async #fence(): Promise<void> {
    if (this.#fencing) return;
    this.#fencing = true;
    const { cluster, space } = this.#parts;
    await cluster
      .call(calls.put, create(PutRequestSchema, { key: space.fenceKey }), {
        action: "fence",
        repeatable: true,
      })
      .catch(() => undefined);
    this.#fencing = false;
  }

  #assertOpen(action: string): void {
    if (this.#closing) throw storeClosed(action);
  }
}

/** Of a transaction that asked whether a replacement is under way; undefined: there is one, and nothing happened. */
function innerOf({ succeeded, responses }: TxnResponse): TxnResponse | undefined {
  const response = responses[0]?.response;
  return succeeded && response?.case === "responseTxn" ? response.value : undefined;
}
