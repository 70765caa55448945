/** Steps of a demonstration: each has a title, holds or fails with a reason, and is shown as it happens. */

export interface StepResult {
  readonly step: string;
  readonly ok: boolean;
  /** What was seen, or why it failed. */
  readonly seen: string;
  readonly ms: number;
}

export class Script {
  readonly results: StepResult[] = [];
  readonly #json: boolean;

  constructor(json: boolean) {
    this.#json = json;
  }

  /** Runs a step; `act` answers what was seen, or throws. After a failure the others are still tried. */
  async step(step: string, act: () => Promise<string>): Promise<void> {
    const startMs = performance.now();
    if (!this.#json && process.stdout.isTTY) process.stdout.write(`  …     ${step}`);
    const { ok, seen } = await act().then(
      (text) => ({ ok: true, seen: text }),
      (error: unknown) => ({ ok: false, seen: error instanceof Error ? error.message : String(error) }),
    );
    const ms = Math.round(performance.now() - startMs);
    this.results.push({ step, ok, seen, ms });
    if (this.#json) return;
    process.stdout.write(
      `${process.stdout.isTTY ? "\r" : ""}  ${ok ? "ok  " : "FAIL"}  ${step.padEnd(48)} ${String(ms).padStart(6)} ms\n`,
    );
    for (const line of seen.split("\n")) process.stdout.write(`          ${line}\n`);
  }

  /** Prints the end; true if every step held. */
  finish(): boolean {
    const failed = this.results.filter(({ ok }) => !ok).length;
    const ok = failed === 0;
    if (this.#json) process.stdout.write(`${JSON.stringify({ ok, steps: this.results })}\n`);
    else
      process.stdout.write(
        ok
          ? `\nall ${this.results.length} steps hold\n`
          : `\n${failed} of ${this.results.length} steps failed\n`,
      );
    return ok;
  }
}

/** Fails the step unless it holds. */
export function expectThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}
