/** Lets waiters pass once a revision is reached. It never goes back. */
export class RevisionGate {
  #revision = 0;
  readonly #waiting = new Set<{ readonly revision: number; readonly pass: () => void }>();

  reach(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const waiter of this.#waiting) if (waiter.revision <= this.#revision) waiter.pass();
  }

  wait(revision: number, signal: AbortSignal): Promise<void> {
    if (revision <= this.#revision) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = () => {
        signal.removeEventListener("abort", onAbort);
        this.#waiting.delete(waiter);
      };
      const onAbort = () => {
        done();
        reject(signal.reason);
      };
      const waiter = {
        revision,
        pass: () => {
          done();
          resolve();
        },
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }
}
