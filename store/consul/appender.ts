/**
 * Puts commands at the end of the log: one entry at a time, with all that waits.
 *
 * An entry is made at the next number, if there is none. If another server was faster, ours follows behind its entry,
 * unchanged: it holds transactions, not their outcome. When no answer comes, the same entry is sent to the same
 * number again, which can succeed once at most, so its fate becomes known. A caller who cannot wait is told
 * STORE_AMBIGUOUS once his command was sent, STORE_UNAVAILABLE before.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { ConsulApi } from "./consul-api.ts";
import type { ConsulLimits } from "./limits.ts";
import { type Command, encodeCommand, encodeEntry, type Outcome } from "./log-entry.ts";
import type { LogKeys } from "./log-keys.ts";
import type { Replica } from "./replica.ts";

interface Waiting {
  readonly text: string;
  readonly timer: Timer;
  settle(outcome: Outcome): void;
}

export interface AppenderOptions {
  readonly api: ConsulApi;
  readonly keys: LogKeys;
  readonly clock: Clock;
  readonly limits: ConsulLimits;
  readonly pendingMax: number;
  readonly newId: () => string;
}

export class Appender {
  readonly #options: AppenderOptions;
  #queue: Waiting[] = [];
  #sent: readonly Waiting[] = [];
  #writer = "";
  #running: Promise<void> | undefined;
  #ended = false;

  constructor(options: AppenderOptions) {
    this.#options = options;
  }

  /** @throws STORE_LIMIT, STORE_UNAVAILABLE, STORE_AMBIGUOUS, and what applying it throws */
  append(replica: Replica, command: Command): Promise<unknown> {
    const { clock, limits, pendingMax } = this.#options;
    const text = encodeCommand(command);
    if (Buffer.byteLength(text) > limits.entryBytesMax) {
      throw new FabricError(
        "STORE_LIMIT",
        `store transaction: it takes ${text.length} bytes of Consul's log, over entryBytesMax ${limits.entryBytesMax}; split it`,
        { details: { limit: "entryBytesMax", max: limits.entryBytesMax } },
      );
    }
    if (this.#queue.length >= pendingMax) {
      throw new FabricError(
        "STORE_UNAVAILABLE",
        `write to Consul: ${this.#queue.length} transactions wait; try again later`,
        { details: { limit: "pendingTxnsMax", max: pendingMax } },
      );
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        text,
        timer: clock.setTimer(limits.requestTimeoutMs, () => this.#giveUp(waiting, reject)),
        settle: (outcome) => {
          waiting.timer.cancel();
          if (outcome.kind === "done") resolve(outcome.result);
          else reject(outcome.error);
        },
      };
      this.#queue.push(waiting);
      this.#running ??= this.#run(replica);
    });
  }

  /** Of every entry that the replica applies. */
  applied(writer: string, outcomes: readonly Outcome[]): void {
    if (writer !== this.#writer) return;
    this.#writer = "";
    for (const [index, waiting] of this.#sent.entries()) waiting.settle(outcomes[index] as Outcome);
    this.#sent = [];
  }

  /** What was sent may be in a snapshot now: nobody knows. */
  lost(): void {
    this.#writer = "";
    for (const waiting of this.#sent) waiting.settle({ kind: "refused", error: ambiguous() });
    this.#sent = [];
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#running;
    this.#ended = true;
  }

  #giveUp(waiting: Waiting, reject: (error: FabricError) => void): void {
    const queued = this.#queue.indexOf(waiting);
    if (queued >= 0) {
      this.#queue.splice(queued, 1);
      reject(
        new FabricError("STORE_UNAVAILABLE", "write to Consul: it did not take it in time; check its agents"),
      );
    } else {
      reject(ambiguous());
    }
  }

  async #run(replica: Replica): Promise<void> {
    // One turn of the event loop, so that what arrived together shares the first entry, too.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0 && !this.#ended) {
      this.#sent = this.#take();
      this.#writer = this.#options.newId();
      await this.#place(
        replica,
        this.#writer,
        encodeEntry(
          this.#writer,
          this.#sent.map(({ text }) => text),
        ),
      );
    }
    // Before anything else can be queued: no turn of the event loop lies between.
    this.#running = undefined;
  }

  #take(): Waiting[] {
    const group: Waiting[] = [];
    let bytes = 0;
    for (const { text } of this.#queue) {
      bytes += Buffer.byteLength(text) + 1;
      if (group.length > 0 && bytes > this.#options.limits.entryBytesMax) break;
      group.push(this.#queue[group.length] as Waiting);
    }
    this.#queue = this.#queue.slice(group.length);
    return group;
  }

  async #place(replica: Replica, writer: string, text: string): Promise<void> {
    const { api, keys, clock, limits } = this.#options;
    let waitMs = limits.retryMinMs;
    while (this.#writer === writer && !this.#ended) {
      const seq = replica.held.seq + 1;
      try {
        // Under another head this number may have been used and trimmed: then it is not the end of the log.
        const guard = { key: keys.snapshotHead, index: replica.headIndex };
        if (await api.createGuarded(keys.entry(seq), text, guard)) replica.apply(seq, text);
        else await replica.catchUp();
        waitMs = limits.retryMinMs;
      } catch {
        // Nobody waits for it any more, or it may never be known: the next attempt finds out.
        await clock.sleep(waitMs);
        waitMs = Math.min(waitMs * 2, limits.retryMaxMs);
      }
    }
  }
}

function ambiguous(): FabricError {
  return new FabricError(
    "STORE_AMBIGUOUS",
    "write to Consul: it did not say whether it happened; look at what is there before you write again",
  );
}
