/** The contract of a clock. `monotonicMs` never goes back and does not jump with the wall clock. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since an arbitrary start; counts also while the machine is suspended. Never decreases. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01T00:00:00Z, as the host believes it now. May jump. */
  wallMs(): number;
  /** Runs `callback` once after `delayMs`. The timer never keeps the process alive by itself. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}
