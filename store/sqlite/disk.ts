/**
 * The main thread's handle on the disk thread: open, one commit at a time, close.
 *
 * Always holds: a commit is answered exactly once, also when the thread dies; the thread keeps the process alive
 * only while somebody waits for it.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { FabricError } from "../../errors/index.ts";
import type { CommitOutcome, Disk } from "./group-commit.ts";
import type { Changes, DiskOptions, DiskReply, DiskRequest, ItemRow, Opened } from "./protocol.ts";

export interface OpenedDisk {
  readonly disk: WorkerDisk;
  readonly opened: Opened;
  readonly rows: readonly ItemRow[];
}

export class WorkerDisk implements Disk {
  readonly #worker: Worker;
  readonly #path: string;
  #waiting: ((reply: DiskReply) => void) | undefined;
  #reject: ((error: FabricError) => void) | undefined;
  /** Why there is no answer to wait for any more. */
  #dead: FabricError | undefined;

  private constructor(options: DiskOptions) {
    this.#path = options.path;
    // Flags of the main thread (a test runner's loader, say) are not this thread's business.
    this.#worker = new Worker(new URL(`./disk-thread${extname(import.meta.filename)}`, import.meta.url), {
      workerData: options,
      execArgv: [],
    });
    this.#worker.on("message", (reply: DiskReply) => this.#waiting?.(reply));
    this.#worker.on("error", (error) => this.#died(error));
    this.#worker.on("exit", () => this.#died(undefined));
  }

  /** @throws STORE_LOCKED, STORE_CORRUPT, STORE_SCHEMA_NEWER, STORE_UNAVAILABLE */
  static async open(options: DiskOptions): Promise<OpenedDisk> {
    const disk = new WorkerDisk(options);
    const rows: ItemRow[] = [];
    const reply = await disk.#wait((message) => {
      if (message.kind !== "rows") return true;
      for (const row of message.rows) rows.push(row);
      return false;
    });
    if (reply.kind === "opened") return { disk, opened: reply.opened, rows };
    throw disk.#failure(reply);
  }

  async commit(changes: Changes): Promise<CommitOutcome> {
    try {
      const reply = await this.#ask({ kind: "commit", changes });
      if (reply.kind === "committed") return { kind: "committed" };
      const undone = reply.kind === "failed" && reply.undone;
      return { kind: undone ? "undone" : "unknown", error: this.#failure(reply) };
    } catch (error) {
      return { kind: "unknown", error: error as FabricError };
    }
  }

  /** The thread has ended and the file is free when it resolves. */
  async close(): Promise<void> {
    if (this.#dead) return;
    const ended = new Promise((resolve) => this.#worker.once("exit", resolve));
    const reply = await this.#ask({ kind: "close" });
    this.#worker.ref();
    await ended;
    if (reply.kind !== "closed") throw this.#failure(reply);
  }

  #ask(request: DiskRequest): Promise<DiskReply> {
    const reply = this.#wait(() => true);
    if (!this.#dead) this.#worker.postMessage(request);
    return reply;
  }

  /** The next reply that `accept` takes. */
  #wait(accept: (reply: DiskReply) => boolean): Promise<DiskReply> {
    if (this.#dead) return Promise.reject(this.#dead);
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#waiting = (reply) => {
        if (!accept(reply)) return;
        this.#waiting = undefined;
        this.#worker.unref();
        resolve(reply);
      };
    });
  }

  #died(cause: unknown): void {
    this.#dead ??= new FabricError(
      "STORE_UNAVAILABLE",
      `write to store ${this.#path}: its disk thread has ended; restart the program`,
      { cause, details: { path: this.#path } },
    );
    this.#reject?.(this.#dead);
  }

  #failure(reply: DiskReply): FabricError {
    if (reply.kind === "failed") {
      const { code, message, details } = reply.failure;
      return new FabricError(code, message, { details });
    }
    return new FabricError(
      "STORE_UNAVAILABLE",
      `talk to store ${this.#path}: unexpected answer "${reply.kind}"`,
    );
  }
}
