/**
 * A node's metadata as TXT: `key=value` (RFC 1464), or the value alone for keys that start with `rfc1035-`, as
 * Consul has it. Text is UTF-8, cut into strings of 255 bytes.
 */
import type { DnsRecord } from "../../wire/index.ts";
import { record } from "./resolution.ts";

const textBytesMax = 255;

export function metaRecords(
  owner: string,
  ttlSeconds: number,
  meta: Readonly<Record<string, string>>,
): DnsRecord[] {
  return Object.entries(meta).map(([key, value]) => {
    const text = key.startsWith("rfc1035-") ? value : `${escapeKey(key)}=${value}`;
    return record(owner, ttlSeconds, { kind: "TXT", texts: textStrings(text) });
  });
}

/** RFC 1464: `=` and the quote itself are quoted in the attribute name. */
function escapeKey(key: string): string {
  return key.replace(/[`=]/g, "`$&");
}

/** A text as the strings of a TXT record. */
export function textStrings(utf8: string): string[] {
  const text = Buffer.from(utf8).toString("latin1");
  const parts: string[] = [];
  for (let at = 0; at < text.length || at === 0; at += textBytesMax)
    parts.push(text.slice(at, at + textBytesMax));
  return parts;
}
