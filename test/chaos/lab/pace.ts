/**
 * How much longer work takes on this machine than on an idle one: now and then a few milliseconds of CPU are used, and
 * the time that passed meanwhile is compared. What is allowed for a busy machine grows by it, for the time in which it is
 * busy and up to `slownessMax`, so that a verdict is about the fabric and not about who else computes here.
 */
import { nowMs } from "./wait.ts";

const [everyMs, workMs] = [500, 4];
/** What is slower than that is judged as if it were not: a bound that grows without end holds nobody. */
export const slownessMax = 3;
/** What was slow so long ago may still be behind. */
const behindMs = 15_000;

interface Look {
  readonly atMs: number;
  readonly slowness: number;
}

export class Pace {
  readonly #timer: NodeJS.Timeout;
  readonly #looks: Look[] = [];

  constructor() {
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Shortly before; 1: nobody else computed. The median, as one look may come upon anything. */
  slownessAt(atMs: number): number {
    const near = this.#looks.filter((look) => look.atMs > atMs - behindMs && look.atMs <= atMs);
    return Math.min(slownessMax, median(near));
  }

  /** Of the whole run, as it was. */
  get slowness(): number {
    return median(this.#looks);
  }

  #look(): void {
    const [fromMs, from] = [nowMs(), usedMs()];
    while (usedMs() - from < workMs);
    this.#looks.push({ atMs: nowMs(), slowness: (nowMs() - fromMs) / workMs });
  }
}

function median(looks: readonly Look[]): number {
  const sorted = looks.map(({ slowness }) => slowness).toSorted((a, b) => a - b);
  return Math.max(1, sorted[Math.floor(sorted.length / 2)] ?? 1);
}

/** CPU of this thread. */
function usedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
