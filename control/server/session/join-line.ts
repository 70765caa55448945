/**
 * Joins under way, in order of arrival. Each writes to the store several times; when all agents come back at once, and
 * all joined at once, none would be welcomed before the last one, which is later than agents wait. So the first are
 * served first, and whoever left meanwhile costs nothing.
 */
export class JoinLine {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Runs `join` when it is its turn, unless the agent is gone by then. @throws what `join` throws */
  async take(isGone: () => boolean, join: () => Promise<void>): Promise<void> {
    if (this.#underWay >= this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#underWay += 1;
    try {
      if (!isGone()) await join();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#underWay -= 1;
    }
  }
}
