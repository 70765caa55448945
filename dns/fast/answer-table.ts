/**
 * Ready answers by question, in two flat buffers, so that a reply costs no object: an open-addressing index of
 * eight 32-bit words a slot, and an arena with key and body side by side. The arena only grows; a forgotten
 * answer leaves its room to the next one for the same question. When either bound is reached, `learn` says
 * so and the owner starts anew with `clear`. About 0.3 µs a reply; the rest of a query's cost is the kernel's.
 *
 * Held by a property test to `encodeMessage` of the same reply (answer-table.test.ts).
 */

import { plainUdpBytesMax } from "../serve/index.ts";
import { headerBytes, typeNumbers } from "../wire/index.ts";
import { hashQuestion, lower, QueryView, viewQuery } from "./query-view.ts";
import { bodyHeaderBytes, optBytes, type ReadyAnswer } from "./ready-answer.ts";

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
const wordBodyRoom = 4;
const wordRotateCount = 5;
const wordStride = 6;
const slotsMin = 1024;
const arenaBytesMin = 1 << 16;

export class AnswerTable {
  readonly #bounds: TableBounds;
  #slots = new Int32Array(0);
  #slotMask = 0;
  #arena: Uint8Array = new Uint8Array(0);
  #arenaUsed = 0;
  #used = 0;
  #live = 0;
  readonly #view = new QueryView();

  constructor(bounds: TableBounds) {
    this.#bounds = bounds;
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
    const slot = this.#find(key, 0, key.length, hashQuestion(key, 0, key.length));
    return this.#word(slot, wordKeyBytes) !== 0 && this.#word(slot, wordBodyBytes) >= 0;
  }

  /** False when there is no room left: nothing was changed. */
  learn(key: Uint8Array, answer: ReadyAnswer): boolean {
    const hash = hashQuestion(key, 0, key.length);
    let slot = this.#find(key, 0, key.length, hash);
    const fresh = this.#word(slot, wordKeyBytes) === 0;
    const { body } = answer;
    if (fresh && this.#used >= this.#bounds.entriesMax) return false;
    if (fresh || body.length > this.#word(slot, wordBodyRoom)) {
      if (!this.#reserve(key.length + body.length)) return false;
      if (fresh && this.#used * 2 >= this.#slotMask) {
        this.#growIndex();
        slot = this.#find(key, 0, key.length, hash);
      }
      this.#slots[slot + wordKeyAt] = this.#arenaUsed;
      this.#slots[slot + wordBodyRoom] = body.length;
      this.#arena.set(key, this.#arenaUsed);
      this.#arenaUsed += key.length + body.length;
    }
    if (fresh || this.#word(slot, wordBodyBytes) < 0) this.#live++;
    if (fresh) this.#used++;
    this.#slots[slot + wordHash] = hash;
    this.#slots[slot + wordKeyBytes] = key.length;
    this.#slots[slot + wordBodyBytes] = body.length;
    this.#slots[slot + wordRotateCount] = answer.rotateCount;
    this.#slots[slot + wordStride] = answer.strideBytes;
    this.#arena.set(body, this.#word(slot, wordKeyAt) + key.length);
    return true;
  }

  forget(key: Uint8Array): void {
    const slot = this.#find(key, 0, key.length, hashQuestion(key, 0, key.length));
    if (this.#word(slot, wordKeyBytes) === 0 || this.#word(slot, wordBodyBytes) < 0) return;
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
      yield {
        key: this.#arena.slice(bodyAt - keyBytes, bodyAt),
        answer: {
          body: this.#arena.slice(bodyAt, bodyAt + bodyBytes),
          rotateCount: this.#word(slot, wordRotateCount),
          strideBytes: this.#word(slot, wordStride),
        },
      };
    }
  }

  /**
   * Writes the reply to the query into `out` and answers its length; 0 if the general path must reply: the
   * query is not plain, its answer not here, or larger than the client takes.
   * @param random a number 0 ≤ random < 2³²: the rotation
   */
  reply(
    query: Uint8Array,
    start: number,
    length: number,
    random: number,
    out: Uint8Array,
    outAt: number,
  ): number {
    const view = this.#view;
    if (!viewQuery(query, start, length, view)) return 0;
    const { questionEnd } = view;
    const keyBytes = questionEnd - headerBytes;
    const slot = this.#find(query, start + headerBytes, keyBytes, view.hash);
    const bodyBytes = this.#word(slot, wordBodyBytes);
    if (this.#word(slot, wordKeyBytes) === 0 || bodyBytes < 0) return 0;
    const recordBytes = bodyBytes - bodyHeaderBytes;
    const replyBytes = questionEnd + recordBytes + (view.edns ? optBytes : 0);
    const { udpBytesMax } = this.#bounds;
    const limit = view.edns
      ? Math.max(plainUdpBytesMax, Math.min(view.udpBytes, udpBytesMax))
      : plainUdpBytesMax;
    if (replyBytes > limit || outAt + replyBytes > out.length) return 0;

    const arena = this.#arena;
    const body = this.#word(slot, wordKeyAt) + keyBytes;
    out[outAt] = query[start] as number;
    out[outAt + 1] = query[start + 1] as number;
    out[outAt + 2] = (arena[body] as number) | ((query[start + 2] as number) & 0x01);
    out[outAt + 3] = (arena[body + 1] as number) | ((query[start + 3] as number) & 0x10);
    out[outAt + 4] = 0;
    out[outAt + 5] = 1;
    copy(arena, body + 2, 6, out, outAt + 6);
    copy(query, start + headerBytes, keyBytes, out, outAt + headerBytes);
    const recordsAt = body + bodyHeaderBytes;
    const rotateCount = this.#word(slot, wordRotateCount);
    const shift = rotateCount > 1 ? (random % rotateCount) * this.#word(slot, wordStride) : 0;
    copy(arena, recordsAt + shift, recordBytes - shift, out, outAt + questionEnd);
    copy(arena, recordsAt, shift, out, outAt + questionEnd + recordBytes - shift);
    if (view.edns) writeOpt(out, outAt, outAt + questionEnd + recordBytes, udpBytesMax, view.dnssecOk);
    return replyBytes;
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
    if (needed > this.#bounds.bytesMax) return false;
    if (needed > this.#arena.length) {
      const larger = new Uint8Array(
        Math.min(this.#bounds.bytesMax, Math.max(needed, this.#arena.length * 2)),
      );
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

/** Adds OPT and counts it. */
function writeOpt(
  out: Uint8Array,
  message: number,
  at: number,
  udpBytesMax: number,
  dnssecOk: boolean,
): void {
  const count = (((out[message + 10] as number) << 8) | (out[message + 11] as number)) + 1;
  out[message + 10] = count >> 8;
  out[message + 11] = count;
  out.fill(0, at, at + optBytes);
  out[at + 2] = typeNumbers.OPT;
  out[at + 3] = udpBytesMax >> 8;
  out[at + 4] = udpBytesMax;
  out[at + 7] = dnssecOk ? 0x80 : 0;
}

/** A loop beats a call into the runtime for what most replies have. */
function copy(from: Uint8Array, at: number, length: number, to: Uint8Array, toAt: number): void {
  if (length > 160) to.set(from.subarray(at, at + length), toAt);
  else for (let i = 0; i < length; i++) to[toAt + i] = from[at + i] as number;
}
