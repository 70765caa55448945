/**
 * How long each lease has gone without a renewal, as one server saw it. Pure: what was found and when is handed in.
 *
 * Always holds: a lease is overdue only when looks no further apart than `gapMaxMs` found it unchanged for its whole
 * time, each made after its last renewal. Time in which Consul could not be asked counts against nobody, since nobody
 * could renew either.
 */
export interface SightingLimits {
  /** Between two looks. */
  readonly gapMaxMs: number;
  /** Of a key whose lease never came into the log: its server died in between. */
  readonly strayMs: number;
}

export class LeaseSightings {
  readonly #limits: SightingLimits;
  #seen: ReadonlyMap<string, { readonly index: number; readonly sinceMs: number }> = new Map();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: SightingLimits) {
    this.#limits = limits;
  }

  /**
   * Takes what a look found: id → Consul's index of the last renewal; `nowMs` is of its arrival. Answers what is overdue,
   * with the index that it must still have when it is ended.
   */
  look(
    found: ReadonlyMap<string, number>,
    ttlOf: (id: string) => number | undefined,
    nowMs: number,
  ): ReadonlyMap<string, number> {
    const isFresh = nowMs - this.#lookedAtMs > this.#limits.gapMaxMs;
    const seen = new Map<string, { readonly index: number; readonly sinceMs: number }>();
    const overdue = new Map<string, number>();
    for (const [id, index] of found) {
      const before = isFresh ? undefined : this.#seen.get(id);
      const sighting = before?.index === index ? before : { index, sinceMs: nowMs };
      seen.set(id, sighting);
      if (nowMs - sighting.sinceMs >= (ttlOf(id) ?? this.#limits.strayMs)) overdue.set(id, index);
    }
    this.#seen = seen;
    this.#lookedAtMs = nowMs;
    return overdue;
  }

  /** A look failed: all time begins anew. */
  forget(): void {
    this.#lookedAtMs = Number.NEGATIVE_INFINITY;
  }
}
