/**
 * What a process must undo when it ends, or when it could not start to the end: the last made goes first, a
 * failure does not stop the others, and all failures are answered.
 */

export interface Step {
  readonly name: string;
  readonly undo: () => void | Promise<void>;
}

export interface Failure {
  readonly name: string;
  readonly error: unknown;
}

export class Teardown {
  readonly #steps: Step[] = [];

  /** To be undone before everything that was added earlier. */
  add(name: string, undo: () => void | Promise<void>): void {
    this.#steps.push({ name, undo });
  }

  /** Undoes everything, once. */
  async run(): Promise<readonly Failure[]> {
    const failures: Failure[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        failures.push({ name: step.name, error });
      }
    }
    return failures;
  }
}

/** Runs a start; if it fails, what it made so far is undone and the error passed on. */
export async function startWhole<T>(start: (teardown: Teardown) => Promise<T>): Promise<T> {
  const teardown = new Teardown();
  try {
    return await start(teardown);
  } catch (error) {
    await teardown.run();
    throw error;
  }
}
