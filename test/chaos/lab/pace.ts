/**
 * How much longer work takes on this machine than on an idle one: now and then a few milliseconds of CPU are used, and
 * the time that passed meanwhile is compared. What is allowed for a busy machine grows by it, so that a verdict is about
 * the fabric and not about who else computes here.
 */
const [everyMs, workMs] = [500, 4];
/** Of how many looks the mean is taken. */
const looks = 10;

export class Pace {
  readonly #timer: NodeJS.Timeout;
  readonly #ratios: number[] = [];
  #worst = 1;

  constructor() {
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  /** Of the slowest time so far; 1: nobody else computes. */
  get slowness(): number {
    return this.#worst;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const [fromMs, from] = [performance.now(), usedMs()];
    while (usedMs() - from < workMs);
    this.#ratios.push((performance.now() - fromMs) / workMs);
    if (this.#ratios.length < looks) return;
    this.#worst = Math.max(this.#worst, this.#ratios.reduce((sum, each) => sum + each, 0) / looks);
    this.#ratios.shift();
  }
}

/** CPU of this thread. */
function usedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
