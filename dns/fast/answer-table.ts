/**
 * Ready answers by question, in two flat buffers, so that none costs an object: an open-addressing index of
 * eight 32-bit words a slot, and an arena with key, body and turn side by side. Where in the arena an answer stands is
 * said by whoever learns it (answer-ring.ts): so tables that follow one another agree on places.
 */

import { unitBits } from "./answer-ring.ts";
import { hashQuestion, lower } from "./query-view.ts";
import type { ReadyAnswer } from "./ready-answer.ts";

export interface TableBounds {
  readonly entriesMax: number;
  readonly bytesMax: number;
  /** Advertised in OPT, and the most that a reply may have. */
  readonly udpBytesMax: number;
}

const slotWords = 8;
const wordHash = 0;
const wordKeyAt = 1;
/** 0: the slot is free. */
const wordKeyBytes = 2;
const wordBodyBytes = 3;
const wordRotateCount = 4;
const wordTurnBytes = 5;
const slotsMin = 1024;
/** Type and class. */
const questionTailBytes = 4;
const arenaBytesMin = 1 << 16;

export class AnswerTable {
  readonly bounds: TableBounds;
  #slots = new Int32Array(0);
  #slotMask = 0;
  #arena: Uint8Array = new Uint8Array(0);
  readonly #uses: Uint8Array;
  #live = 0;

  /** @param uses where it is noted which answers are given (answer-ring.ts) */
  constructor(bounds: TableBounds, uses: SharedArrayBuffer) {
    this.bounds = bounds;
    this.#uses = new Uint8Array(uses);
    this.clear();
  }

  /** Answers that are there to be given. */
  get size(): number {
    return this.#live;
  }

  clear(): void {
    this.#slots = new Int32Array(slotsMin * slotWords);
    this.#slotMask = slotsMin - 1;
    this.#arena = new Uint8Array(arenaBytesMin);
    this.#live = 0;
  }

  has(key: Uint8Array): boolean {
    return this.slotOf(key, 0, key.length, hashQuestion(key, 0, key.length)) >= 0;
  }

  /** @param at where the answer has its room: the key's bytes, the body's and the turn's */
  learn(key: Uint8Array, { body, turn, rotateCount }: ReadyAnswer, at: number): void {
    this.forget(key);
    if (this.#live * 4 >= this.#slotMask * 3) this.#growIndex();
    const bodyAt = at + key.length;
    this.#growArena(bodyAt + body.length + turn.length);
    this.#arena.set(key, at);
    this.#arena.set(body, bodyAt);
    this.#arena.set(turn, bodyAt + body.length);
    const hash = hashQuestion(key, 0, key.length);
    const slot = this.#find(key, 0, key.length, hash);
    this.#slots[slot + wordHash] = hash;
    this.#slots[slot + wordKeyAt] = at;
    this.#slots[slot + wordKeyBytes] = key.length;
    this.#slots[slot + wordBodyBytes] = body.length;
    this.#slots[slot + wordRotateCount] = rotateCount;
    this.#slots[slot + wordTurnBytes] = turn.length;
    this.#live++;
  }

  /** Closes the gap, so that a search still ends at the first free slot (Knuth 6.4, algorithm R). */
  forget(key: Uint8Array): void {
    const slot = this.slotOf(key, 0, key.length, hashQuestion(key, 0, key.length));
    if (slot < 0) return;
    const mask = this.#slotMask;
    let gap = slot / slotWords;
    for (let index = (gap + 1) & mask; ; index = (index + 1) & mask) {
      const at = index * slotWords;
      if (this.#word(at, wordKeyBytes) === 0) break;
      const home = this.#home(this.#word(at, wordHash));
      if (((index - home) & mask) < ((index - gap) & mask)) continue;
      this.#slots.copyWithin(gap * slotWords, at, at + slotWords);
      gap = index;
    }
    this.#slots.fill(0, gap * slotWords, (gap + 1) * slotWords);
    this.#live--;
  }

  /** The key of the answer that has its room there. */
  keyAt(at: number): Uint8Array {
    let end = at;
    while (this.#arena[end] !== 0) end += (this.#arena[end] as number) + 1;
    return this.#arena.slice(at, end + 1 + questionTailBytes);
  }

  /** All that is there, to fill another table with. */
  *entries(): Generator<{ readonly key: Uint8Array; readonly answer: ReadyAnswer; readonly at: number }> {
    for (let slot = 0; slot < this.#slots.length; slot += slotWords) {
      const keyBytes = this.#word(slot, wordKeyBytes);
      if (keyBytes === 0) continue;
      const at = this.#word(slot, wordKeyAt);
      const bodyAt = at + keyBytes;
      const turnAt = bodyAt + this.#word(slot, wordBodyBytes);
      yield {
        at,
        key: this.#arena.slice(at, bodyAt),
        answer: {
          body: this.#arena.slice(bodyAt, turnAt),
          rotateCount: this.#word(slot, wordRotateCount),
          turn: this.#arena.slice(turnAt, turnAt + this.#word(slot, wordTurnBytes)),
        },
      };
    }
  }

  /** Where the answer to the question at `bytes[from, from + length)` is, in any case of letters; -1: not here. */
  slotOf(bytes: Uint8Array, from: number, length: number, hash: number): number {
    const slot = this.#find(bytes, from, length, hash);
    return this.#word(slot, wordKeyBytes) === 0 ? -1 : slot;
  }

  /** The answer is given: it is worth its room. A place that others read is written only where that changes it. */
  noteUse(slot: number): void {
    const unit = this.#word(slot, wordKeyAt) >>> unitBits;
    if (this.#uses[unit] === 0) this.#uses[unit] = 1;
  }

  /** Keys, bodies and turns; another one after `learn` and `clear`. */
  get arena(): Uint8Array {
    return this.#arena;
  }

  bodyAt(slot: number): number {
    return this.#word(slot, wordKeyAt) + this.#word(slot, wordKeyBytes);
  }

  bodyBytes(slot: number): number {
    return this.#word(slot, wordBodyBytes);
  }

  rotateCount(slot: number): number {
    return this.#word(slot, wordRotateCount);
  }

  /** Right behind the body. */
  turnBytes(slot: number): number {
    return this.#word(slot, wordTurnBytes);
  }

  /** The slot of the key, or the free slot where it would go. */
  #find(key: Uint8Array, from: number, length: number, hash: number): number {
    const slots = this.#slots;
    let index = this.#home(hash);
    for (;;) {
      const slot = index * slotWords;
      const keyBytes = slots[slot + wordKeyBytes] as number;
      if (keyBytes === 0) return slot;
      if (keyBytes === length && slots[slot + wordHash] === hash) {
        if (this.#sameKey(key, from, length, slots[slot + wordKeyAt] as number)) return slot;
      }
      index = (index + 1) & this.#slotMask;
    }
  }

  #sameKey(key: Uint8Array, from: number, length: number, at: number): boolean {
    const arena = this.#arena;
    for (let i = 0; i < length; i++) if (lower(key[from + i] as number) !== arena[at + i]) return false;
    return true;
  }

  #word(slot: number, word: number): number {
    return this.#slots[slot + word] as number;
  }

  #home(hash: number): number {
    return (hash ^ (hash >>> 15)) & this.#slotMask;
  }

  #growArena(bytes: number): void {
    if (bytes <= this.#arena.length) return;
    const larger = new Uint8Array(Math.max(bytes, Math.min(this.bounds.bytesMax, this.#arena.length * 2)));
    larger.set(this.#arena);
    this.#arena = larger;
  }

  #growIndex(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    this.#slotMask = this.#slotMask * 2 + 1;
    for (let slot = 0; slot < old.length; slot += slotWords) {
      if (old[slot + wordKeyBytes] === 0) continue;
      let index = this.#home(old[slot + wordHash] as number);
      while (this.#word(index * slotWords, wordKeyBytes) !== 0) index = (index + 1) & this.#slotMask;
      this.#slots.set(old.subarray(slot, slot + slotWords), index * slotWords);
    }
  }
}
