/**
 * What each ready answer was made from, both ways: a change finds the answers that it touches, and an answer that has to
 * go leaves nothing behind. Answers are known by their place in the arena, sources by their changeKey.
 */
export class Dependents {
  readonly #bySource = new Map<string, number[]>();
  readonly #byPlace = new Map<number, readonly string[]>();

  add(place: number, sources: readonly string[]): void {
    this.#byPlace.set(place, sources);
    for (const source of new Set(sources)) {
      const places = this.#bySource.get(source);
      if (places) places.push(place);
      else this.#bySource.set(source, [place]);
    }
  }

  of(source: string): readonly number[] {
    return this.#bySource.get(source) ?? [];
  }

  delete(place: number): void {
    for (const source of this.#byPlace.get(place) ?? []) {
      const left = this.#bySource.get(source)?.filter((each) => each !== place) ?? [];
      if (left.length === 0) this.#bySource.delete(source);
      else this.#bySource.set(source, left);
    }
    this.#byPlace.delete(place);
  }

  clear(): void {
    this.#bySource.clear();
    this.#byPlace.clear();
  }

  /** Sources that some answer comes from. */
  get size(): number {
    return this.#bySource.size;
  }
}
