/** Who waits until a revision has arrived. Bounded by the calls in flight. */
export class RevisionWaiters {
  readonly #waiting = new Set<{
    readonly revision: number;
    resolve(): void;
    reject(reason: unknown): void;
  }>();

  add(revision: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => waiter.reject(signal?.reason);
      const leave = () => {
        this.#waiting.delete(waiter);
        signal?.removeEventListener("abort", onAbort);
      };
      const waiter = {
        revision,
        resolve: () => {
          leave();
          resolve();
        },
        reject: (reason: unknown) => {
          leave();
          reject(reason);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  reached(revision: number): void {
    for (const waiter of this.#waiting) if (waiter.revision <= revision) waiter.resolve();
  }

  rejectAll(reason: unknown): void {
    for (const waiter of this.#waiting) waiter.reject(reason);
  }
}
