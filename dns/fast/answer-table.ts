/**
 * Ready answers by question, in two flat buffers, so that none costs an object: an open-addressing index of
 * eight 32-bit words a slot, and an arena with key, body and turn side by side. The arena only grows; a forgotten
 * answer leaves its room to the next one for the same question. When either bound is reached, `learn` says
 * so and the owner starts anew with `clear`.
 */

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
const wordKeyBytes = 2;
/** -1: forgotten. */
const wordBodyBytes = 3;
/** Of body and turn. */
const wordRoom = 4;
const wordRotateCount = 5;
const wordTurnBytes = 6;
const slotsMin = 1024;
const arenaBytesMin = 1 << 16;

export class AnswerTable {
  readonly bounds: TableBounds;
  #slots = new Int32Array(0);
  #slotMask = 0;
  #arena: Uint8Array = new Uint8Array(0);
  #arenaUsed = 0;
  #used = 0;
  #live = 0;

  constructor(bounds: TableBounds) {
    this.bounds = bounds;
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
    this.#arenaUsed = 0;
    this.#used = 0;
    this.#live = 0;
  }

  has(key: Uint8Array): boolean {
    return this.slotOf(key, 0, key.length, hashQuestion(key, 0, key.length)) >= 0;
  }

  /** False when there is no room left: nothing was changed. */
  learn(key: Uint8Array, answer: ReadyAnswer): boolean {
    const hash = hashQuestion(key, 0, key.length);
    let slot = this.#find(key, 0, key.length, hash);
    const fresh = this.#word(slot, wordKeyBytes) === 0;
    const { body, turn } = answer;
    const room = body.length + turn.length;
    if (fresh && this.#used >= this.bounds.entriesMax) return false;
    if (fresh || room > this.#word(slot, wordRoom)) {
      if (!this.#reserve(key.length + room)) return false;
      if (fresh && this.#used * 2 >= this.#slotMask) {
        this.#growIndex();
        slot = this.#find(key, 0, key.length, hash);
      }
      this.#slots[slot + wordKeyAt] = this.#arenaUsed;
      this.#slots[slot + wordRoom] = room;
      this.#arena.set(key, this.#arenaUsed);
      this.#arenaUsed += key.length + room;
    }
    if (fresh || this.#word(slot, wordBodyBytes) < 0) this.#live++;
    if (fresh) this.#used++;
    this.#slots[slot + wordHash] = hash;
    this.#slots[slot + wordKeyBytes] = key.length;
    this.#slots[slot + wordBodyBytes] = body.length;
    this.#slots[slot + wordRotateCount] = answer.rotateCount;
    this.#slots[slot + wordTurnBytes] = turn.length;
    const bodyAt = this.#word(slot, wordKeyAt) + key.length;
    this.#arena.set(body, bodyAt);
    this.#arena.set(turn, bodyAt + body.length);
    return true;
  }

  forget(key: Uint8Array): void {
    const slot = this.slotOf(key, 0, key.length, hashQuestion(key, 0, key.length));
    if (slot < 0) return;
    this.#slots[slot + wordBodyBytes] = -1;
    this.#live--;
  }

  /** All that is there, to fill another table with. */
  *entries(): Generator<{ readonly key: Uint8Array; readonly answer: ReadyAnswer }> {
    for (let slot = 0; slot < this.#slots.length; slot += slotWords) {
      const keyBytes = this.#word(slot, wordKeyBytes);
      const bodyBytes = this.#word(slot, wordBodyBytes);
      if (keyBytes === 0 || bodyBytes < 0) continue;
      const bodyAt = this.#word(slot, wordKeyAt) + keyBytes;
      const turnAt = bodyAt + bodyBytes;
      yield {
        key: this.#arena.slice(bodyAt - keyBytes, bodyAt),
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
    return this.#word(slot, wordKeyBytes) === 0 || this.#word(slot, wordBodyBytes) < 0 ? -1 : slot;
  }

  /** Bodies and turns; another one after `learn` and `clear`. */
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
    let index = (hash ^ (hash >>> 15)) & this.#slotMask;
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

  #reserve(bytes: number): boolean {
    const needed = this.#arenaUsed + bytes;
    if (needed > this.bounds.bytesMax) return false;
    if (needed > this.#arena.length) {
      const larger = new Uint8Array(Math.min(this.bounds.bytesMax, Math.max(needed, this.#arena.length * 2)));
      larger.set(this.#arena.subarray(0, this.#arenaUsed));
      this.#arena = larger;
    }
    return true;
  }

  #growIndex(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    this.#slotMask = this.#slotMask * 2 + 1;
    for (let slot = 0; slot < old.length; slot += slotWords) {
      if (old[slot + wordKeyBytes] === 0) continue;
      const hash = old[slot + wordHash] as number;
      let index = (hash ^ (hash >>> 15)) & this.#slotMask;
      while (this.#word(index * slotWords, wordKeyBytes) !== 0) index = (index + 1) & this.#slotMask;
      this.#slots.set(old.subarray(slot, slot + slotWords), index * slotWords);
    }
  }
}
