/**
 * Machines and the processes on them. A machine has clocks, which run faster or slower than those of others, and
 * outlives its processes; a `Life` is one process from its start to its death. What a dead one waited for never
 * happens: its points are not run, its timers do not fire.
 */
import { type Clock, ManualClock } from "../../../clock/index.ts";

export class Machine {
  readonly name: string;
  readonly rate: number;
  readonly clock = new ManualClock();
  /** Rises with every loss of power. */
  boot = 1;
  life: Life | undefined;
  #dueMs = 0;

  constructor(name: string, rate: number) {
    this.name = name;
    this.rate = rate;
  }

  get isUp(): boolean {
    return this.life?.isAlive ?? false;
  }

  /** By its own rate, in whole milliseconds: a remainder is kept for the next time. */
  async advance(ms: number): Promise<void> {
    this.#dueMs += ms * this.rate;
    const wholeMs = Math.floor(this.#dueMs);
    this.#dueMs -= wholeMs;
    await this.clock.advance(wholeMs);
  }

  begin(): Life {
    this.end();
    this.life = new Life(this);
    return this.life;
  }

  end(): void {
    this.life?.end();
  }
}

export class Life {
  readonly machine: Machine;
  /** Begins at 0 with the life, as process clocks do. */
  readonly clock: Clock;
  readonly #ending = Promise.withResolvers<void>();
  readonly #signal = new AbortController();
  #isAlive = true;

  constructor(machine: Machine) {
    this.machine = machine;
    const { clock } = machine;
    const startedAtMs = clock.monotonicMs();
    this.clock = {
      monotonicMs: () => clock.monotonicMs() - startedAtMs,
      wallMs: () => clock.wallMs(),
      // Whole milliseconds, so that a rest that rounding leaves cannot make a timer fire again and again in no time.
      setTimer: (delayMs, callback) => clock.setTimer(Math.ceil(delayMs), () => this.#isAlive && callback()),
      sleep: (delayMs, signal) => clock.sleep(Math.ceil(delayMs), signal),
    };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Resolves with the death of the process. */
  get ended(): Promise<void> {
    return this.#ending.promise;
  }

  /** Aborts with the death of the process. */
  get signal(): AbortSignal {
    return this.#signal.signal;
  }

  end(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#ending.resolve();
    this.#signal.abort();
  }
}
