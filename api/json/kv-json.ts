/**
 * Keys as JSON text, written directly: flags are unsigned 64-bit and do not survive JSON.stringify, and this is
 * the busiest answer (a list of 100,000 keys, or thousands of single keys a second).
 */
import type { KvEntry } from "../../registry/index.ts";

export function kvListJson(entries: readonly KvEntry[], pretty: boolean): string {
  if (pretty)
    return `[\n${entries.map((entry) => entryJson(entry, "\n        ", "    ", ": ")).join(",\n")}\n]`;
  if (entries.length === 1 && entries[0]) return `[${entryJson(entries[0], "", "", ":")}]`;
  return `[${entries.map((entry) => entryJson(entry, "", "", ":")).join(",")}]`;
}

/** One key, as a part of another answer. */
export function kvEntryJson(entry: KvEntry): string {
  return entryJson(entry, "", "", ":");
}

function entryJson(entry: KvEntry, line: string, outer: string, colon: string): string {
  const { key, value, flags, lockIndex, session, createIndex, modifyIndex } = entry;
  const base64 = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  // Go prints an empty byte slice that was never set as null, and clients know that form.
  const valueText = value.length === 0 ? "null" : `"${base64}"`;
  const sessionText = session === undefined ? "" : `${line}"Session"${colon}${JSON.stringify(session)},`;
  return (
    `${outer}{${line}"LockIndex"${colon}${lockIndex},` +
    `${line}"Key"${colon}${JSON.stringify(key)},` +
    `${line}"Flags"${colon}${flags},` +
    `${line}"Value"${colon}${valueText},${sessionText}` +
    `${line}"CreateIndex"${colon}${createIndex},` +
    `${line}"ModifyIndex"${colon}${modifyIndex}${line === "" ? "" : `\n${outer}`}}`
  );
}
