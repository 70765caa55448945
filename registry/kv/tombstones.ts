/**
 * The revisions at which things went away, so that an index never goes back when the newest thing is deleted.
 * Bounded: when full, the older half is forgotten and the floor rises to the newest revision forgotten. The
 * floor is a lower bound for every index; halving (not dropping one by one) keeps it still for thousands of
 * deletions, because each rise costs every long-polling client one early answer.
 */
export const tombstonesMax = 16_384;

export class Tombstones {
  readonly #max: number;
  /** In order of revision: a key that is buried again moves to the end. */
  readonly #revisions = new Map<string, number>();
  readonly #onForget: ((key: string) => void) | undefined;
  #floor = 1;

  constructor(options: { readonly max?: number; readonly onForget?: (key: string) => void } = {}) {
    this.#max = options.max ?? tombstonesMax;
    this.#onForget = options.onForget;
  }

  get size(): number {
    return this.#revisions.size;
  }

  get floor(): number {
    return this.#floor;
  }

  raiseFloor(revision: number): void {
    this.#floor = Math.max(this.#floor, revision);
  }

  get(key: string): number | undefined {
    return this.#revisions.get(key);
  }

  bury(key: string, revision: number): void {
    this.#revisions.delete(key);
    this.#revisions.set(key, revision);
    if (this.#revisions.size > this.#max) this.#reap();
  }

  /** The thing is back, its own revision counts again. */
  exhume(key: string): boolean {
    return this.#revisions.delete(key);
  }

  #reap(): void {
    let excess = this.#revisions.size - (this.#max >>> 1);
    for (const [key, revision] of this.#revisions) {
      if (excess-- <= 0) return;
      this.#revisions.delete(key);
      this.raiseFloor(revision);
      this.#onForget?.(key);
    }
  }
}
