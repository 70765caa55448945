/**
 * How much of a ready answer one client takes, decided as `encodeShuffled` decides it: if all answers fit, as many
 * additional records as fit, from the first; else as many answers as fit, from the first in the fixed order, in
 * any order, and nothing else. Such clients are few, so each cut is worked out anew from the answer's turn.
 */
import type { AnswerTable } from "./answer-table.ts";
import { bodyHeaderBytes, truncatedBit } from "./ready-answer.ts";
import { copy, nextRecord, u16 } from "./turn.ts";

export class AnswerCut {
  kind: "whole" | "answers" | "additionals" = "whole";
  /** Of the records that are given. */
  bytes = 0;
  /** Of the answers, or of the additional records, that are given; not set where all are. */
  count = 0;
  #order = new Uint16Array(64);

  /** False if no part of it can be given. */
  toFit(table: AnswerTable, slot: number, bytesMax: number): boolean {
    const { arena } = table;
    const body = table.bodyAt(slot);
    const bodyBytes = table.bodyBytes(slot);
    const neverWhole = ((arena[body] as number) & truncatedBit) !== 0;
    this.bytes = bodyBytes - bodyHeaderBytes;
    this.kind = "whole";
    if (this.bytes <= bytesMax && !neverWhole) return true;
    const rotateCount = table.rotateCount(slot);
    if (rotateCount === 0 || bytesMax < 0) return false;
    const turnAt = body + bodyBytes;
    const answersEnd = u16(arena, turnAt + rotateCount * 2);
    if (answersEnd > bytesMax || neverWhole) this.#fitAnswers(arena, turnAt, rotateCount, bytesMax);
    else this.#fitAdditionals(arena, body + bodyHeaderBytes, answersEnd, bytesMax);
    return true;
  }

  /** Those that fit, shuffled. @param random a number 0 ≤ random < 2³² */
  writeAnswers(
    from: Uint8Array,
    recordsAt: number,
    turnAt: number,
    rotateCount: number,
    random: number,
    out: Uint8Array,
    outAt: number,
  ): void {
    if (this.#order.length < this.count) this.#order = new Uint16Array(this.count * 2);
    const order = this.#order;
    const orderAt = turnAt + rotateCount * 2 + 2;
    for (let i = 0; i < this.count; i++) order[i] = u16(from, orderAt + i * 2);
    let state = random | 0 || 1;
    for (let left = this.count; left > 0; left--) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const drawn = (state >>> 0) % left;
      const answer = order[drawn] as number;
      order[drawn] = order[left - 1] as number;
      const begin = u16(from, turnAt + answer * 2);
      const length = u16(from, turnAt + answer * 2 + 2) - begin;
      copy(from, recordsAt + begin, length, out, outAt);
      outAt += length;
    }
  }

  #fitAnswers(arena: Uint8Array, turnAt: number, rotateCount: number, bytesMax: number): void {
    const orderAt = turnAt + rotateCount * 2 + 2;
    this.kind = "answers";
    this.bytes = 0;
    for (this.count = 0; this.count < rotateCount; this.count++) {
      const beginAt = turnAt + u16(arena, orderAt + this.count * 2) * 2;
      const end = this.bytes + u16(arena, beginAt + 2) - u16(arena, beginAt);
      if (end > bytesMax) return;
      this.bytes = end;
    }
  }

  #fitAdditionals(arena: Uint8Array, recordsAt: number, answersEnd: number, bytesMax: number): void {
    this.kind = "additionals";
    this.bytes = answersEnd;
    for (this.count = 0; ; this.count++) {
      const end = nextRecord(arena, recordsAt + this.bytes) - recordsAt;
      if (end > bytesMax) return;
      this.bytes = end;
    }
  }
}
