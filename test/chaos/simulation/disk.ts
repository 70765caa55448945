/**
 * A disk that takes its time and loses what was not synced. Writes are transactions in a log; a commit is written,
 * then synced, then answered, and each is a point; a slow disk takes seconds for a sync. Who dies in between finds, on
 * the next start, all that was synced and some first part of the rest. A full disk refuses; one that is lost is empty.
 */
import { FabricError } from "../../../errors/index.ts";
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
import { isRead } from "./store-link.ts";

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
  /** How long a sync takes. */
  syncMs = 0;
  isFull = false;
  /** Nothing is refused any more. */
  isCalm = false;

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

  /** Nothing of it is left. Only while no process has it open. */
  lose(): void {
    this.#log.length = 0;
    this.#synced = 0;
  }

  #errs(): boolean {
    return !this.isCalm && this.#options.random.chance(errorChance);
  }

  async #commit(life: Life, txn: Txn, apply: () => Promise<TxnResult>): Promise<TxnResult> {
    const { scheduler, skipsSync } = this.#options;
    await scheduler.point(life, "write");
    if (this.isFull || this.#errs()) throw refused();
    const answer = await apply();
    const end = this.#log.push(txn);
    const sync = async () => {
      if (this.syncMs > 0) await life.clock.sleep(this.syncMs);
      await scheduler.point(life, "sync");
      this.#synced = Math.max(this.#synced, end);
    };
    if (skipsSync) void sync();
    else await sync();
    if (this.#errs()) throw uncertain();
    await scheduler.point(life, "committed");
    return answer;
  }
}

function refused(): FabricError {
  return new FabricError("STORE_UNAVAILABLE", "write: the disk refused, nothing happened; look at it");
}

function uncertain(): FabricError {
  return new FabricError("STORE_AMBIGUOUS", "sync: the disk refused; read before you write again");
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
    if (isRead(txn)) return this.apply(txn);
    return this.#commit(txn, () => this.apply(txn));
  }

  apply(txn: Txn): Promise<TxnResult> {
    return super.txn(txn);
  }
}
