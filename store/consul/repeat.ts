/** Something done again and again until it is closed; after a failure it waits, longer each time. */
import type { Clock } from "../../clock/index.ts";
import type { ConsulLimits } from "./limits.ts";

export interface RepeatOptions {
  readonly clock: Clock;
  readonly limits: Pick<ConsulLimits, "retryMinMs" | "retryMaxMs">;
  readonly turn: (signal: AbortSignal) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

export class Repeat {
  readonly #options: RepeatOptions;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: RepeatOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the turn under way has ended. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, limits, turn, failed } = this.#options;
    const { signal } = this.#ending;
    let waitMs = limits.retryMinMs;
    while (!signal.aborted) {
      try {
        await turn(signal);
        waitMs = limits.retryMinMs;
      } catch (error) {
        if (signal.aborted) return;
        failed(error);
        await clock.sleep(waitMs, signal).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, limits.retryMaxMs);
      }
    }
  }
}
