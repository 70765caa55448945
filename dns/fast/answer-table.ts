/**
 * Ready answers by question, in two flat buffers, so that a reply costs no object: an open-addressing index of
 * eight 32-bit words a slot, and an arena with key, body and turn side by side. The arena only grows; a forgotten
 * answer leaves its room to the next one for the same question. When either bound is reached, `learn` says
 * so and the owner starts anew with `clear`. A reply is written over its query, whose id and question it keeps:
 * about 0.2 µs; the rest of a query's cost is the kernel's.
 *
 * Held by a property test to `encodeMessage` of the same reply (answer-table.test.ts).
 */

import { type ClientView, type CookieJar, cookieBytes, plainUdpBytesMax } from "../serve/index.ts";
import { cookieOption, headerBytes, typeNumbers } from "../wire/index.ts";
import { hashQuestion, lower, QueryView, viewQuery } from "./query-view.ts";
import { bodyHeaderBytes, optBytes, type ReadyAnswer } from "./ready-answer.ts";
import { copy, writeTurned } from "./turn.ts";

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
  readonly #bounds: TableBounds;
  #slots = new Int32Array(0);
  #slotMask = 0;
  #arena: Uint8Array = new Uint8Array(0);
  #arenaUsed = 0;
  #used = 0;
  #live = 0;
  readonly #cookies: CookieJar | undefined;
  readonly #view = new QueryView();
  readonly #shown = new Uint8Array(cookieBytes);
  #foundSlot = 0;
  #cookieValid = false;
  /** An option that every OPT ends with. */
  #notice: Uint8Array = new Uint8Array(0);

  /** @param cookies absent: cookies are passed over */
  constructor(bounds: TableBounds, cookies?: CookieJar) {
    this.#bounds = bounds;
    this.#cookies = cookies;
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

  /** @param option whole, with its code and length; empty for none */
  setNotice(option: Uint8Array): void {
    this.#notice = option;
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
    const { body, turn } = answer;
    const room = body.length + turn.length;
    if (fresh && this.#used >= this.#bounds.entriesMax) return false;
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

  /**
   * True if there is a ready answer to the query at `message[start, start + length)`; then `write` gives it. False if
   * the general path must reply: the query is not plain, its answer not here, larger than the client takes or than
   * `room`, or the client has to show a cookie first.
   */
  find(message: Uint8Array, start: number, length: number, room: number, client: ClientView): boolean {
    const view = this.#view;
    if (!viewQuery(message, start, length, view)) return false;
    const { questionEnd } = view;
    const slot = this.#find(message, start + headerBytes, questionEnd - headerBytes, view.hash);
    const bodyBytes = this.#word(slot, wordBodyBytes);
    if (this.#word(slot, wordKeyBytes) === 0 || bodyBytes < 0) return false;
    const { udpBytesMax } = this.#bounds;
    const limit = view.edns
      ? Math.max(plainUdpBytesMax, Math.min(view.udpBytes, udpBytesMax))
      : plainUdpBytesMax;
    this.#foundSlot = slot;
    const replyBytes = questionEnd + bodyBytes - bodyHeaderBytes + this.#optBytes();
    if (replyBytes > limit || replyBytes > room) return false;
    this.#cookieValid = view.cookieBytes !== 0 && this.#takeCookie(message, client);
    return this.#cookieValid || view.cookieBytes === 0 || this.#cookies?.required !== true;
  }

  /** Of the query that was found last: says who has the same question, whatever its case. */
  get foundHash(): number {
    return this.#view.hash;
  }

  /** The query that was found last had a cookie that we gave to its client. */
  get foundCookieValid(): boolean {
    return this.#cookieValid;
  }

  /**
   * Writes the reply over the query that was found last and answers its length.
   * @param random a number 0 ≤ random < 2³²: the rotation
   */
  write(message: Uint8Array, start: number, random: number, client: ClientView): number {
    const slot = this.#foundSlot;
    const { questionEnd } = this.#view;
    const arena = this.#arena;
    const body = this.#word(slot, wordKeyAt) + questionEnd - headerBytes;
    const bodyBytes = this.#word(slot, wordBodyBytes);
    message[start + 2] = (arena[body] as number) | ((message[start + 2] as number) & 0x01);
    message[start + 3] = (arena[body + 1] as number) | ((message[start + 3] as number) & 0x10);
    for (let i = 2; i < bodyHeaderBytes; i++) message[start + 4 + i] = arena[body + i] as number;
    const recordsAt = body + bodyHeaderBytes;
    const recordBytes = bodyBytes - bodyHeaderBytes;
    const rotateCount = this.#word(slot, wordRotateCount);
    const outAt = start + questionEnd;
    if (rotateCount > 1) {
      const turnBytes = this.#word(slot, wordTurnBytes);
      const first = random % rotateCount;
      const turnAt = body + bodyBytes;
      writeTurned(
        arena,
        recordsAt,
        recordBytes,
        turnAt,
        turnBytes,
        rotateCount,
        first,
        message,
        outAt,
        questionEnd,
      );
    } else {
      copy(arena, recordsAt, recordBytes, message, outAt);
    }
    return questionEnd + recordBytes + this.#writeOpt(message, start, outAt + recordBytes, client);
  }

  /** Writes a reply that says no more than "ask over TCP" over the query that was found last. Answers its length. */
  writeTruncated(message: Uint8Array, start: number, client: ClientView): number {
    const { questionEnd } = this.#view;
    const body = this.#word(this.#foundSlot, wordKeyAt) + questionEnd - headerBytes;
    message[start + 2] = (this.#arena[body] as number) | 0x02 | ((message[start + 2] as number) & 0x01);
    message[start + 3] = (this.#arena[body + 1] as number) | ((message[start + 3] as number) & 0x10);
    for (let i = 6; i < headerBytes; i++) message[start + i] = 0;
    return questionEnd + this.#writeOpt(message, start, start + questionEnd, client);
  }

  #takeCookie(message: Uint8Array, client: ClientView): boolean {
    const { cookieAt, cookieBytes: shownBytes } = this.#view;
    const kept = Math.min(shownBytes, cookieBytes);
    for (let i = 0; i < kept; i++) this.#shown[i] = message[cookieAt + i] as number;
    return this.#cookies?.isValid(this.#shown, 0, shownBytes, client) === true;
  }

  #optBytes(): number {
    const { edns, cookieBytes: shownBytes } = this.#view;
    if (!edns) return 0;
    const bytes = optBytes + this.#notice.length;
    return shownBytes > 0 && this.#cookies ? bytes + 4 + cookieBytes : bytes;
  }

  /** Adds OPT, if the query had one, and counts it. Answers its length. */
  #writeOpt(message: Uint8Array, start: number, at: number, client: ClientView): number {
    const length = this.#optBytes();
    if (length === 0) return 0;
    const count = (((message[start + 10] as number) << 8) | (message[start + 11] as number)) + 1;
    message[start + 10] = count >> 8;
    message[start + 11] = count;
    const { udpBytesMax } = this.#bounds;
    message[at] = 0;
    message[at + 1] = 0;
    message[at + 2] = typeNumbers.OPT;
    message[at + 3] = udpBytesMax >> 8;
    message[at + 4] = udpBytesMax;
    message[at + 5] = 0;
    message[at + 6] = 0;
    message[at + 7] = this.#view.dnssecOk ? 0x80 : 0;
    message[at + 8] = 0;
    message[at + 9] = (length - optBytes) >> 8;
    message[at + 10] = length - optBytes;
    if (length === optBytes) return length;
    copy(this.#notice, 0, this.#notice.length, message, at + length - this.#notice.length);
    if (length === optBytes + this.#notice.length) return length;
    message[at + 11] = 0;
    message[at + 12] = cookieOption;
    message[at + 13] = 0;
    message[at + 14] = cookieBytes;
    this.#cookies?.write(this.#shown, 0, this.#cookieValid, client, message, at + 15);
    return length;
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
