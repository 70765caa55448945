/**
 * Machines and the processes on them. A machine has clocks, which run faster or slower than those of others, and
 * outlives its processes; a `Life` is one process from its start to its death. What a dead one waited for never
 * happens: its points are not run, its timers do not fire. A frozen one (SIGSTOP, a long pause of its garbage
 * collector) goes on later, when its clock is further than it thought.
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
  #thawed: PromiseWithResolvers<void> | undefined;
  #powered: PromiseWithResolvers<void> | undefined;

  constructor(name: string, rate: number) {
    this.name = name;
    this.rate = rate;
  }

  /** Of its monotonic clock, also while its process is frozen and does not look. */
  get nowMs(): number {
    return this.clock.monotonicMs() + Math.floor(this.#dueMs);
  }

  get isUp(): boolean {
    return this.life?.isAlive ?? false;
  }

  /** Without power: nothing of it answers, not even that nobody is there. */
  get isOff(): boolean {
    return this.#powered !== undefined;
  }

  powerOff(): void {
    this.#powered ??= Promise.withResolvers();
    this.end();
    this.boot++;
  }

  /** Resolves when the machine has power. */
  async on(): Promise<void> {
    while (this.#powered) await this.#powered.promise;
  }

  get isFrozen(): boolean {
    return this.#thawed !== undefined;
  }

  /** Its process gets nothing done from now on, and nobody is told. */
  freeze(): void {
    this.#thawed ??= Promise.withResolvers();
  }

  async thaw(): Promise<void> {
    this.#thawed?.resolve();
    this.#thawed = undefined;
    await this.advance(0);
  }

  /** Resolves when the process can take something in. */
  async awake(): Promise<void> {
    while (this.#thawed) await this.#thawed.promise;
  }

  /** By its own rate, in whole milliseconds: a remainder is kept for the next time. */
  async advance(ms: number): Promise<void> {
    this.#dueMs += ms * this.rate;
    if (this.isFrozen) return;
    const wholeMs = Math.floor(this.#dueMs);
    this.#dueMs -= wholeMs;
    await this.clock.advance(wholeMs);
  }

  begin(): Life {
    this.end();
    for (const waiting of [this.#thawed, this.#powered]) waiting?.resolve();
    this.#thawed = undefined;
    this.#powered = undefined;
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
