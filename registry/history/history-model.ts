/**
 * History of keys: which prefixes keep one, and what is kept. Under `kv-history/<key>/<name>` stands one version,
 * written in the transaction of the change, so that the store's own revision of it is that of the change; under
 * `kv-history-cuts/<name>` that everything below a prefix was deleted at once; under `kv-history-rules/<prefix>` the
 * rules. Names are in no order; versions are ordered by revision.
 *
 *   version record: action (1 byte) | wall clock in ms (f64 BE) | the key's own record (kv-codec.ts), if it was put
 */

import { decodeKv } from "../kv/kv-codec.ts";
import type { KvRecord } from "../model.ts";

export const historyVersionsDefault = 16;
export const historyVersionsMax = 256;
export const historyAgeDefaultMs = 7 * 24 * 3_600_000;
export const historyAgeMaxMs = 90 * 24 * 3_600_000;
export const historyRulesMax = 64;
export const historyCutsMax = 1024;
/** Of all versions together; beyond, the oldest of all go. */
export const historyBytesMax = 64 * 1024 * 1024;

/** The longest prefix counts. */
export interface HistoryRule {
  readonly prefix: string;
  /** Kept of a key, the one that stands included. */
  readonly versions: number;
  /** A version is kept for so long after the next one took its place. */
  readonly ageMs: number;
}

export type HistoryAction = "put" | "delete" | "expire";

export type KvVersion = {
  readonly key: string;
  readonly revision: number;
  /** Wall clock of the server that wrote it, for people and for `ageMs`. */
  readonly atMs: number;
} & (
  | { readonly action: "put"; readonly record: KvRecord }
  | { readonly action: Exclude<HistoryAction, "put"> }
);

const actions: readonly HistoryAction[] = ["put", "delete", "expire"];
const headBytes = 9;

export function encodeVersion(atMs: number, action: HistoryAction, kv: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array(headBytes + (kv?.length ?? 0));
  bytes[0] = actions.indexOf(action);
  new DataView(bytes.buffer).setFloat64(1, atMs);
  if (kv) bytes.set(kv, headBytes);
  return bytes;
}

export function decodeVersion(key: string, bytes: Uint8Array, revision: number): KvVersion | undefined {
  const action = actions[bytes[0] ?? -1];
  if (bytes.length < headBytes || !action) return undefined;
  const atMs = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(1);
  if (action !== "put") return { key, revision, atMs, action };
  const record = decodeKv(key, bytes.subarray(headBytes));
  return record && { key, revision, atMs, action, record };
}

/** Under kv-history-cuts/. */
export interface HistoryCut {
  readonly prefix: string;
  readonly atMs: number;
}

export function encodeJson(value: HistoryCut | HistoryRule): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function decodeCut(bytes: Uint8Array): HistoryCut | undefined {
  const { prefix, atMs } = parse(bytes);
  return typeof prefix === "string" && typeof atMs === "number" ? { prefix, atMs } : undefined;
}

export function decodeRule(bytes: Uint8Array): HistoryRule | undefined {
  const { prefix, versions, ageMs } = parse(bytes);
  if (typeof prefix !== "string" || typeof versions !== "number" || typeof ageMs !== "number")
    return undefined;
  return { prefix, versions, ageMs };
}

function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
