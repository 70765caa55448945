/**
 * Which room of the arena each ready answer has, and whose room the next one takes: a clock over a ring of blocks. A
 * hand goes round. For a new answer it looks at the next blocks and takes the adjacent ones that cost least: free
 * room first, then answers that nobody asked for since the hand last passed, so that what is asked for stays. What it
 * passes has to be asked for again to stay the next time (second chance). Nothing moves, and a step is bounded: the
 * hand looks at `looksMax` blocks, about 1 µs.
 *
 * Only the main thread has a ring; the threads that serve the answers are told the place of each (table-step.ts), so
 * that a byte a place, shared with them, says what was asked for.
 */

/** Room is given out in units. */
export const unitBits = 5;
export const unitBytes = 1 << unitBits;
const looksMax = 128;
/** Of a block: it has an answer; the rest is its length in units. */
const liveBit = 0x8000;
const unitsMask = 0x7fff;
/** Taking an answer that was asked for is worse than taking any number of others. */
const askedCost = 1 << 20;
/** This part of the room in use is full: what is left is in pieces. */
const fullPart = 15 / 16;

export interface RingBounds {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** A byte for each unit of the arena, set by whoever gives the answer that begins there. */
export function usesBuffer({ bytesMax }: RingBounds): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.floor(bytesMax / unitBytes));
}

export class AnswerRing {
  readonly #entriesMax: number;
  readonly #unitsMax: number;
  /** Length and liveness, at the first unit of each block. */
  readonly #blocks: Uint16Array;
  readonly #uses: Uint8Array;
  /** Units that belong to a block. */
  #end = 0;
  #hand = 0;
  #live = 0;
  #liveUnits = 0;

  constructor({ entriesMax, bytesMax }: RingBounds, uses: SharedArrayBuffer) {
    this.#entriesMax = entriesMax;
    this.#uses = new Uint8Array(uses);
    this.#unitsMax = this.#uses.length;
    this.#blocks = new Uint16Array(Math.floor(bytesMax / unitBytes));
  }

  /** Hardly an answer finds room without another one that goes. */
  get isFull(): boolean {
    return this.#live >= this.#entriesMax || this.#liveUnits >= this.#unitsMax * fullPart;
  }

  clear(): void {
    this.#end = 0;
    this.#hand = 0;
    this.#live = 0;
    this.#liveUnits = 0;
  }

  /**
   * Room for an answer: where it begins, in bytes.
   * @param evict told of each answer that has to go, by its place
   * @returns -1 when it is larger than all the room there is
   */
  take(bytes: number, evict: (at: number) => void): number {
    const needed = Math.ceil(bytes / unitBytes);
    if (needed > this.#unitsMax || needed > unitsMask || this.#entriesMax < 1) return -1;
    while (this.#live >= this.#entriesMax) this.#evictOne(evict);
    const grows = this.#end + needed <= this.#unitsMax;
    if (!grows) this.#closeRing();
    const run = this.#liveUnits === this.#end && grows ? undefined : this.#cheapestRun(needed, grows);
    const start = run && (run.cost === 0 || !grows) ? this.#claim(run, needed, evict) : this.#grow(needed);
    this.#blocks[start] = needed | liveBit;
    this.#uses[start] = 0;
    this.#live++;
    this.#liveUnits += needed;
    return start * unitBytes;
  }

  /** The answer at that place is gone. */
  free(at: number): void {
    const unit = at / unitBytes;
    const units = this.#unitsOf(unit);
    this.#blocks[unit] = units;
    this.#live--;
    this.#liveUnits -= units;
  }

  /** What is left at the end is a block as the others. */
  #closeRing(): void {
    const left = this.#unitsMax - this.#end;
    if (left > 0) this.#blocks[this.#end] = left;
    this.#end = this.#unitsMax;
  }

  #grow(needed: number): number {
    const start = this.#end;
    this.#end += needed;
    return start;
  }

  /**
   * Of the adjacent blocks after the hand that have the room, those that cost least. The end of the ring parts blocks.
   * @param mayFail there need be none near
   */
  #cheapestRun(needed: number, mayFail: boolean): Run | undefined {
    let [tail, head, units, cost] = [this.#hand, this.#hand, 0, 0];
    let best: Run | undefined;
    for (let looked = 0; looked < looksMax || !(best || mayFail); looked++) {
      if (head >= this.#end) [tail, head, units, cost] = [0, 0, 0, 0];
      cost += this.#costOf(head);
      units += this.#unitsOf(head);
      head += this.#unitsOf(head);
      while (units - this.#unitsOf(tail) >= needed) {
        cost -= this.#costOf(tail);
        units -= this.#unitsOf(tail);
        tail += this.#unitsOf(tail);
      }
      if (units < needed || cost >= (best?.cost ?? Number.POSITIVE_INFINITY)) continue;
      best = { start: tail, end: head, cost };
      if (cost === 0) break;
    }
    return best;
  }

  #claim({ start, end }: Run, needed: number, evict: (at: number) => void): number {
    for (let unit = this.#hand; unit !== start; unit = this.#next(unit)) this.#uses[unit] = 0;
    for (let unit = start; unit < end; unit += this.#unitsOf(unit)) this.#evict(unit, evict);
    const rest = end - start - needed;
    if (rest > 0) this.#blocks[start + needed] = rest;
    this.#hand = start + needed;
    return start;
  }

  /** Any one: the next that was not asked for, if there is one near. */
  #evictOne(evict: (at: number) => void): void {
    for (let looked = 0; ; looked++) {
      if (this.#hand >= this.#end) this.#hand = 0;
      const unit = this.#hand;
      if (this.#isLive(unit) && (this.#uses[unit] === 0 || looked >= looksMax)) {
        this.#evict(unit, evict);
        return;
      }
      this.#uses[unit] = 0;
      this.#hand += this.#unitsOf(unit);
    }
  }

  #evict(unit: number, evict: (at: number) => void): void {
    if (!this.#isLive(unit)) return;
    this.free(unit * unitBytes);
    evict(unit * unitBytes);
  }

  #next(unit: number): number {
    const next = unit + this.#unitsOf(unit);
    return unit >= this.#end || next >= this.#end ? 0 : next;
  }

  #costOf(unit: number): number {
    if (!this.#isLive(unit)) return 0;
    return this.#uses[unit] === 0 ? 1 : askedCost;
  }

  #isLive(unit: number): boolean {
    return ((this.#blocks[unit] as number) & liveBit) !== 0;
  }

  #unitsOf(unit: number): number {
    return (this.#blocks[unit] as number) & unitsMask;
  }
}

interface Run {
  /** In units; blocks begin at both. */
  readonly start: number;
  readonly end: number;
  readonly cost: number;
}
