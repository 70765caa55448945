/**
 * Replies from the table of ready answers, each written over its query, whose id and question it keeps: about 0.2 µs;
 * the rest of a query's cost is the kernel's. An answer that is too large for its client is given in part, as the
 * general path does (answer-cut.ts).
 *
 * Held by a property test to `encodeMessage` of the same reply (ready-replies.test.ts).
 */

import { type ClientView, type CookieJar, cookieBytes, plainUdpBytesMax } from "../serve/index.ts";
import { cookieOption, headerBytes, typeNumbers } from "../wire/index.ts";
import { AnswerCut } from "./answer-cut.ts";
import type { AnswerTable } from "./answer-table.ts";
import { QueryView, viewQuery } from "./query-view.ts";
import { bodyHeaderBytes, optBytes, truncatedBit } from "./ready-answer.ts";
import { copy, writeTurned } from "./turn.ts";

export class ReadyReplies {
  readonly #table: AnswerTable;
  readonly #cookies: CookieJar | undefined;
  readonly #view = new QueryView();
  readonly #shown = new Uint8Array(cookieBytes);
  readonly #cut = new AnswerCut();
  #foundSlot = 0;
  #cookieValid = false;
  /** An option that every OPT ends with. */
  #notice: Uint8Array = new Uint8Array(0);

  /** @param cookies absent: cookies are passed over */
  constructor(table: AnswerTable, cookies?: CookieJar) {
    this.#table = table;
    this.#cookies = cookies;
  }

  /** @param option whole, with its code and length; empty for none */
  setNotice(option: Uint8Array): void {
    this.#notice = option;
  }

  /**
   * True if there is a ready answer to the query at `message[start, start + length)`; then `write` gives it. False if
   * the general path must reply: the query is not plain, its answer not here, its reply larger than `room` or such
   * that no part of it can be given, or the client has to show a cookie first.
   */
  find(message: Uint8Array, start: number, length: number, room: number, client: ClientView): boolean {
    const view = this.#view;
    if (!viewQuery(message, start, length, view)) return false;
    const { questionEnd } = view;
    const table = this.#table;
    const slot = table.slotOf(message, start + headerBytes, questionEnd - headerBytes, view.hash);
    if (slot < 0) return false;
    const { udpBytesMax } = table.bounds;
    const limit = view.edns
      ? Math.max(plainUdpBytesMax, Math.min(view.udpBytes, udpBytesMax))
      : plainUdpBytesMax;
    this.#foundSlot = slot;
    const recordBytesMax = Math.min(limit, room) - questionEnd - this.#optBytes();
    if (!this.#cut.toFit(table, slot, recordBytesMax)) return false;
    table.noteUse(slot);
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
   * @param random a number 0 ≤ random < 2³²: the order of the answers
   */
  write(message: Uint8Array, start: number, random: number, client: ClientView): number {
    const table = this.#table;
    const cut = this.#cut;
    const { arena } = table;
    const { questionEnd } = this.#view;
    const slot = this.#foundSlot;
    const body = table.bodyAt(slot);
    this.#writeFlags(message, start, arena, body);
    for (let i = 2; i < bodyHeaderBytes; i++) message[start + 4 + i] = arena[body + i] as number;
    const recordsAt = body + bodyHeaderBytes;
    const rotateCount = table.rotateCount(slot);
    const turnAt = body + table.bodyBytes(slot);
    const outAt = start + questionEnd;
    if (cut.kind === "answers") {
      message[start + 2] = (message[start + 2] as number) | truncatedBit;
      setCount(message, start + 6, cut.count);
      for (let i = 8; i < headerBytes; i++) message[start + i] = 0;
      cut.writeAnswers(arena, recordsAt, turnAt, rotateCount, random, message, outAt);
    } else if (rotateCount > 1) {
      if (cut.kind === "additionals") setCount(message, start + 10, cut.count);
      writeTurned(
        arena,
        recordsAt,
        cut.bytes,
        turnAt,
        table.turnBytes(slot),
        rotateCount,
        random % rotateCount,
        message,
        outAt,
        questionEnd,
      );
    } else {
      copy(arena, recordsAt, cut.bytes, message, outAt);
    }
    return questionEnd + cut.bytes + this.#writeOpt(message, start, outAt + cut.bytes, client);
  }

  /** Writes a reply that says no more than "ask over TCP" over the query that was found last. Answers its length. */
  writeTruncated(message: Uint8Array, start: number, client: ClientView): number {
    const { questionEnd } = this.#view;
    const { arena } = this.#table;
    this.#writeFlags(message, start, arena, this.#table.bodyAt(this.#foundSlot));
    message[start + 2] = (message[start + 2] as number) | truncatedBit;
    for (let i = 6; i < headerBytes; i++) message[start + i] = 0;
    return questionEnd + this.#writeOpt(message, start, start + questionEnd, client);
  }

  /** RD and CD stay as the query has them. */
  #writeFlags(message: Uint8Array, start: number, arena: Uint8Array, body: number): void {
    message[start + 2] = (arena[body] as number) | ((message[start + 2] as number) & 0x01);
    message[start + 3] = (arena[body + 1] as number) | ((message[start + 3] as number) & 0x10);
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
    const { udpBytesMax } = this.#table.bounds;
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
}

function setCount(message: Uint8Array, at: number, count: number): void {
  message[at] = count >> 8;
  message[at + 1] = count;
}
