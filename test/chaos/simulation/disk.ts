/**
 * A disk that takes its time and loses what was not synced. Writes are transactions in a log; a commit is written,
 * then synced, then answered, and each is a point. Who dies in between finds, on the next start, all that was
 * synced and some first part of the rest.
 */

import type { LeaseJournal } from "../../../ipam/index.ts";
import { storeLeaseJournal } from "../../../ipam/index.ts";
import {
  MemoryStore,
  type Store,
  type StoreOptions,
  type Txn,
  type TxnResult,
} from "../../../store/index.ts";
import type { Life } from "./life.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

export interface DiskOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** Planted bug: answers before it has synced. */
  readonly skipsSync?: boolean;
}

const errorChance = 0.004;

export class Disk {
  readonly #options: DiskOptions;
  readonly #log: Txn[] = [];
  #synced = 0;
  /** Points that a sync takes. */
  syncPoints = 1;

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  /** What a process finds that starts after a crash. Opens the disk for it. */
  async open(life: Life): Promise<Store> {
    const { random } = this.#options;
    this.#log.length = random.between(this.#synced, this.#log.length);
    this.#synced = this.#log.length;
    const content = new DiskStore({ clock: life.clock, newId: () => "disk" }, (txn, apply) =>
      this.#commit(life, txn, apply),
    );
    for (const txn of this.#log) await content.apply(txn);
    return content;
  }

  async journal(life: Life): Promise<LeaseJournal> {
    return storeLeaseJournal(await this.open(life), "leases/");
  }

  async #commit(life: Life, txn: Txn, apply: () => Promise<TxnResult>): Promise<TxnResult> {
    const { scheduler, random, skipsSync } = this.#options;
    await scheduler.point(life, "write");
    if (random.chance(errorChance)) throw new Error("the disk refused the write");
    const answer = await apply();
    const end = this.#log.push(txn);
    const sync = async () => {
      for (let i = 0; i < this.syncPoints; i++) await scheduler.point(life, "sync");
      this.#synced = Math.max(this.#synced, end);
    };
    if (skipsSync) void sync();
    else await sync();
    if (random.chance(errorChance)) throw new Error("the disk refused the sync");
    await scheduler.point(life, "committed");
    return answer;
  }
}

type Commit = (txn: Txn, apply: () => Promise<TxnResult>) => Promise<TxnResult>;

/** The content of a disk; `apply` does at once what `txn` does in the disk's time. */
class DiskStore extends MemoryStore {
  readonly #commit: Commit;

  constructor(options: StoreOptions, commit: Commit) {
    super(options);
    this.#commit = commit;
  }

  override txn(txn: Txn): Promise<TxnResult> {
    return this.#commit(txn, () => this.apply(txn));
  }

  apply(txn: Txn): Promise<TxnResult> {
    return super.txn(txn);
  }
}
