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
import { defaultStoreLimits } from "../core/limits.ts";
import type { StoreOptions } from "../core/options.ts";
import { restoreState, type Step, type StoreState } from "../core/state.ts";
import { type LeaseChange, StateStore } from "../core/state-store.ts";
import { type OpenedDisk, WorkerDisk } from "./disk.ts";
import { GroupCommit } from "./group-commit.ts";
import type { Durability, ItemRow } from "./protocol.ts";

export class SqliteStore extends StateStore {
  readonly id: string;
  /** The settings in force that make an acknowledged commit durable, as SQLite reported them. */
  readonly durability: Durability;
  readonly #disk: WorkerDisk;
  readonly #group: GroupCommit;
  #committed: StoreState;
  #head: StoreState;

  private constructor({ disk, opened, rows }: OpenedDisk, options: StoreOptions) {
    const restored = restoreState(opened.revision, opened.leases, rows.map(itemOf));
    super(options, restored);
    this.id = opened.id;
    this.durability = opened.durability;
    this.#disk = disk;
    this.#committed = restored;
    this.#head = restored;
    this.#group = new GroupCommit(disk, this.limits, () => {
      this.#head = this.#committed;
    });
  }

  /** Makes the file (0600) and its directory (0700) if need be. @throws STORE_LOCKED, STORE_CORRUPT, STORE_SCHEMA_NEWER, STORE_UNAVAILABLE */
  static async open(path: string, options: StoreOptions = {}): Promise<SqliteStore> {
    const newId = (options.newId ?? randomUUID)();
    const { fileBytesMax } = { ...defaultStoreLimits, ...options.limits };
    return new SqliteStore(await WorkerDisk.open({ path, fileBytesMax, newId }), options);
  }

  protected get committed(): StoreState {
    return this.#committed;
  }

  protected get broken(): boolean {
    return this.#group.broken !== undefined;
  }

  protected async submit<Result>(
    apply: (state: StoreState) => Step<Result>,
    lease: LeaseChange = {},
  ): Promise<Result> {
    this.#group.assertRoom();
    const { state, events, result } = apply(this.#head);
    // It wrote nothing, and what it was computed on is on disk.
    if (state === this.#committed) return result;
    this.#head = state;
    return new Promise((resolve, reject) => {
      this.#group.submit({
        ...lease,
        revision: state.revision,
        events,
        done: () => {
          this.#committed = state;
          if (events.length > 0) this.hub.publish({ revision: state.revision, events });
          resolve(result);
        },
        fail: reject,
      });
    });
  }

  protected async finish(): Promise<void> {
    await this.#group.settled();
    await this.#disk.close();
  }
}

function itemOf({ lease, ...item }: ItemRow) {
  return lease === null ? item : { ...item, lease };
}
