/**
 * Group commit: everything that queues up while one commit runs goes into the next, so the price of an fsync is shared
 * by all who wait. Alone a transaction waits for one fsync; 64 at a time share it.
 *
 * Always holds: a job is done only after a commit with its changes returned, in the order of submission; when a
 * commit fails, its jobs and all queued ones fail, since they were computed on top of it; after an unknown outcome
 * nothing is written any more.
 */
import { FabricError } from "../../errors/index.ts";
import { itemBytes, type StoreLimits } from "../core/limits.ts";
import type { StoreEvent } from "../store.ts";
import type { Changes, ItemRow, LeaseRow } from "./protocol.ts";

export type CommitOutcome =
  | { readonly kind: "committed" }
  /** Certainly not written; the next may be. */
  | { readonly kind: "undone"; readonly error: FabricError }
  /** Perhaps written: only opening the file again can tell. */
  | { readonly kind: "unknown"; readonly error: FabricError };

export interface Disk {
  commit(changes: Changes): Promise<CommitOutcome>;
  close(): Promise<void>;
}

export interface Job {
  readonly revision: number;
  readonly events: readonly StoreEvent[];
  readonly leaseGranted?: LeaseRow;
  readonly leaseEnded?: string;
  done(): void;
  fail(error: FabricError): void;
}

export class GroupCommit {
  readonly #disk: Disk;
  readonly #limits: StoreLimits;
  readonly #onFailure: () => void;
  #queue: Job[] = [];
  #queueBytes = 0;
  #running: Promise<void> | undefined;
  #broken: FabricError | undefined;

  /** `onFailure` runs after the jobs failed and before any other job can come. */
  constructor(disk: Disk, limits: StoreLimits, onFailure: () => void) {
    this.#disk = disk;
    this.#limits = limits;
    this.#onFailure = onFailure;
  }

  /** Why nothing is written any more. */
  get broken(): FabricError | undefined {
    return this.#broken;
  }

  /** @throws STORE_UNAVAILABLE when too much waits, or after an unknown outcome */
  assertRoom(): void {
    if (this.#broken) throw this.#broken;
    const { pendingTxnsMax, pendingBytesMax } = this.#limits;
    if (this.#queue.length < pendingTxnsMax && this.#queueBytes < pendingBytesMax) return;
    throw new FabricError(
      "STORE_UNAVAILABLE",
      `write to store: ${this.#queue.length} transactions wait for the disk; try again later`,
      { details: { pendingTxnsMax, pendingBytesMax } },
    );
  }

  submit(job: Job): void {
    this.#queue.push(job);
    this.#queueBytes += jobBytes(job);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // One turn of the event loop, so that requests which arrived together share the first commit, too.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      this.#queueBytes = 0;
      const changes = netChanges(group);
      const outcome = changes ? await this.#disk.commit(changes) : ({ kind: "committed" } as const);
      if (outcome.kind === "committed") for (const job of group) job.done();
      else this.#fail(group, outcome);
    }
    this.#running = undefined;
  }

  #fail(group: readonly Job[], outcome: Exclude<CommitOutcome, { kind: "committed" }>): void {
    const queued = this.#queue;
    this.#queue = [];
    this.#queueBytes = 0;
    let error = outcome.error;
    if (outcome.kind === "unknown") {
      const why = `a write failed and its outcome is unknown (${error.message}); check the disk and restart`;
      error = new FabricError("STORE_AMBIGUOUS", `write to store: ${why}`, { cause: outcome.error });
      this.#broken = new FabricError("STORE_UNAVAILABLE", `write to store: earlier ${why}`, {
        cause: outcome.error,
      });
    }
    this.#onFailure();
    for (const job of group) job.fail(error);
    for (const job of queued) job.fail(this.#broken ?? error);
  }
}

/** What a group leaves behind; undefined when that is nothing. */
function netChanges(group: readonly Job[]): Changes | undefined {
  const items = new Map<string, ItemRow | undefined>();
  const granted = new Map<string, LeaseRow>();
  const ended = new Set<string>();
  for (const { events, leaseGranted, leaseEnded } of group) {
    for (const event of events) {
      if (event.kind === "put") items.set(event.item.key, { ...event.item, lease: event.item.lease ?? null });
      else items.set(event.key, undefined);
    }
    if (leaseGranted) granted.set(leaseGranted.id, leaseGranted);
    if (leaseEnded !== undefined) ended.add(leaseEnded);
  }
  if (items.size + granted.size + ended.size === 0) return undefined;
  const puts: ItemRow[] = [];
  const deletes: string[] = [];
  for (const [key, row] of items) {
    if (row) puts.push(row);
    else deletes.push(key);
  }
  const revision = group.at(-1)?.revision ?? 0;
  return { revision, puts, deletes, leasesGranted: [...granted.values()], leasesEnded: [...ended] };
}

function jobBytes(job: Job): number {
  let bytes = 0;
  for (const event of job.events) {
    bytes += event.kind === "put" ? itemBytes(event.item.key, event.item.value) : event.key.length;
  }
  return bytes;
}
