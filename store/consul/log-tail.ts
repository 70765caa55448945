/** Follows the log: a blocking query on the key that comes next, and now and then a look whether it was trimmed away. */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { WatchHub } from "../core/watch-hub.ts";
import type { ConsulApi } from "./consul-api.ts";
import type { ConsulLimits } from "./limits.ts";
import type { LogKeys } from "./log-keys.ts";
import type { Replica } from "./replica.ts";

export interface LogTailOptions {
  readonly api: ConsulApi;
  readonly keys: LogKeys;
  readonly clock: Clock;
  readonly limits: ConsulLimits;
  readonly hub: WatchHub;
  readonly replica: Replica;
}

export class LogTail {
  readonly #options: LogTailOptions;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: LogTailOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { api, keys, clock, limits, hub, replica } = this.#options;
    const { signal } = this.#ending;
    let waitMs = limits.retryMinMs;
    let index = "0";
    while (!signal.aborted) {
      try {
        const seq = replica.held.seq + 1;
        const next = await api.blockOn({ key: keys.entry(seq), isPrefix: false, index }, signal);
        // Consul asks to begin anew when its index went back.
        index = Number(next.index) < Number(index) ? "0" : next.index;
        if (next.value !== undefined) replica.apply(seq, next.value);
        else await replica.catchUp();
        hub.resume();
        waitMs = limits.retryMinMs;
      } catch (error) {
        if (signal.aborted) return;
        hub.interrupt(
          error instanceof FabricError
            ? error
            : new FabricError("STORE_UNAVAILABLE", "follow the log in Consul: it failed", { cause: error }),
        );
        await clock.sleep(waitMs, signal).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, limits.retryMaxMs);
      }
    }
  }
}
