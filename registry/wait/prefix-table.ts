/**
 * A map from prefixes to values that finds the prefixes of a key. It costs one look-up for each distinct
 * length among the prefixes, not one for each prefix: thousands of watched prefixes have few lengths.
 */
export class PrefixTable<V> {
  readonly #values = new Map<string, V>();
  /** Length → number of prefixes with it. */
  readonly #lengths = new Map<number, number>();

  get size(): number {
    return this.#values.size;
  }

  get(prefix: string): V | undefined {
    return this.#values.get(prefix);
  }

  set(prefix: string, value: V): void {
    if (!this.#values.has(prefix))
      this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
    this.#values.set(prefix, value);
  }

  delete(prefix: string): void {
    if (!this.#values.delete(prefix)) return;
    const left = (this.#lengths.get(prefix.length) ?? 1) - 1;
    if (left === 0) this.#lengths.delete(prefix.length);
    else this.#lengths.set(prefix.length, left);
  }

  values(): IterableIterator<V> {
    return this.#values.values();
  }

  /** The prefix that was set first, for callers that bound the table. */
  oldest(): string | undefined {
    return this.#values.keys().next().value;
  }

  /** Every prefix in the table that `key` begins with. */
  prefixesOf(key: string): string[] {
    const found: string[] = [];
    for (const length of this.#lengths.keys()) {
      if (length > key.length) continue;
      const prefix = key.slice(0, length);
      if (this.#values.has(prefix)) found.push(prefix);
    }
    return found;
  }
}
