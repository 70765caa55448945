/**
 * The order of answers. Clients take the first, so each answer is shuffled. Where not all fit, the part that is
 * given is the same each time (the first in a fixed order) and only then shuffled: clients that follow a list,
 * as HAProxy does, would otherwise see servers come and go.
 */
import { shuffled } from "../shuffled.ts";
import { type DnsRecord, encodeMessage, type Message } from "../wire/index.ts";

const flagsAt = 2;
const truncatedBit = 0x02;

export function isTruncated(bytes: Uint8Array): boolean {
  return ((bytes[flagsAt] ?? 0) & truncatedBit) !== 0;
}

/** Encodes within the limit, the answers in random order. All answers must be of one size class: any of them may be left out. */
export function encodeShuffled(message: Message, maxBytes: number, random: () => number): Uint8Array {
  const whole = encodeMessage({ ...message, answers: shuffled(message.answers, random) }, maxBytes);
  if (!isTruncated(whole)) return whole;
  const ordered = fixedOrder(message.answers).map((i) => message.answers[i] as DnsRecord);
  const fitting = answerCount(encodeMessage({ ...message, answers: ordered }, maxBytes));
  const part = { ...message, answers: shuffled(ordered.slice(0, fitting), random) };
  return encodeMessage({ ...part, authorities: [], additionals: [], truncated: true }, maxBytes);
}

/** The same for the same answers in any order: the place of each, beginning with the one that is left out last. */
export function fixedOrder(answers: readonly DnsRecord[]): number[] {
  const keys = answers.map(sortKey);
  return [...keys.keys()].sort((a, b) => compareText(keys[a] ?? "", keys[b] ?? ""));
}

function answerCount(bytes: Uint8Array): number {
  return ((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0);
}

function sortKey(record: DnsRecord): string {
  return JSON.stringify(record.data);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
