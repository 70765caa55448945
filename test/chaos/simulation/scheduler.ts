/**
 * Who runs next. Everything that takes time outside of a process (a message, a disk, the store) waits at a point;
 * one step of the simulation lets one point pass, chosen by the seed, and then runs every promise callback that
 * follows from it. So the order of any two things that a real network or disk could swap is the seed's.
 */
import type { Life } from "./life.ts";
import type { Random } from "./random.ts";
import type { Trace } from "./trace.ts";

interface Point {
  readonly life: Life;
  readonly label: string;
  readonly pass: () => void;
}

export class Scheduler {
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #points: Point[] = [];

  constructor(random: Random, trace: Trace) {
    this.#random = random;
    this.#trace = trace;
  }

  get waiting(): number {
    return this.#points.length;
  }

  /** Resolves when the seed says so, or never if the process dies before. */
  point(life: Life, label: string): Promise<void> {
    return new Promise((pass) => this.#points.push({ life, label, pass }));
  }

  /** Lets one point pass. False if none can. */
  async passOne(): Promise<boolean> {
    const frozen: Point[] = [];
    try {
      return await this.#passOne(frozen);
    } finally {
      this.#points.push(...frozen);
    }
  }

  async #passOne(frozen: Point[]): Promise<boolean> {
    for (;;) {
      const index = this.#random.below(this.#points.length);
      const point = this.#points[index];
      if (!point) return false;
      const last = this.#points.pop() as Point;
      if (last !== point) this.#points[index] = last;
      if (!point.life.isAlive) continue;
      if (point.life.machine.isFrozen) {
        frozen.push(point);
        continue;
      }
      this.#trace.add(`${point.life.machine.name} ${point.label}`);
      point.pass();
      await settle();
      return true;
    }
  }
}

/** Runs every promise callback that is ready. Twice, as some code waits for a turn of the event loop itself. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
