/**
 * One subscriber's view of changes. Holds at most one set of topics and one overrun mark whatever happens
 * between two reads, so a slow reader costs nothing. A burst is yielded `burstMs` after its first change:
 * a veth pair is some ten notifications, and each yield costs its reader a dump.
 */
import type { Clock } from "../clock/index.ts";
import type { KernelEvent, KernelTopic } from "./kernel.ts";

/** How long changes are gathered before they are yielded. */
export const burstMs = 5;

export class EventFeed {
  readonly #topics: ReadonlySet<KernelTopic>;
  readonly #changed = new Set<KernelTopic>();
  #overrun = false;
  #wake: (() => void) | undefined;
  readonly #clock: Clock;

  constructor(topics: readonly KernelTopic[], clock: Clock) {
    this.#topics = new Set(topics);
    this.#clock = clock;
  }

  change(topic: KernelTopic): void {
    if (!this.#topics.has(topic)) return;
    this.#changed.add(topic);
    this.#wake?.();
  }

  /** Notifications were lost. */
  overrun(): void {
    this.#overrun = true;
    this.#wake?.();
  }

  async *events(signal: AbortSignal): AsyncGenerator<KernelEvent> {
    while (await this.#pending(signal)) {
      if (this.#overrun) {
        this.#overrun = false;
        this.#changed.clear();
        yield { kind: "overrun" };
      } else {
        const topics = new Set(this.#changed);
        this.#changed.clear();
        yield { kind: "changed", topics };
      }
    }
  }

  /** Waits for a change and the rest of its burst; false when the signal ended it. */
  async #pending(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (!this.#overrun && this.#changed.size === 0) {
      await new Promise<void>((resolve) => {
        const done = () => {
          signal.removeEventListener("abort", done);
          this.#wake = undefined;
          resolve();
        };
        this.#wake = done;
        signal.addEventListener("abort", done, { once: true });
      });
    }
    await new Promise<void>((resolve) => this.#clock.setTimer(signal.aborted ? 0 : burstMs, resolve));
    return !signal.aborted;
  }
}
