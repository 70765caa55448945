/**
 * A key's value as it stands in the store:
 *
 *   version (1 byte, 1) | flags (u64 BE) | lockIndex (u64 BE) | session length (1 byte) | session | value
 *
 * Binary instead of JSON because values are arbitrary bytes and reading must not copy them: a decoded value is
 * a view into the store's bytes. Decoding never throws: what does not fit is undefined.
 */
import type { KvRecord } from "../model.ts";

const version = 1;
const headerBytes = 18;
const sessionBytesMax = 255;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeKv(record: Omit<KvRecord, "key">): Uint8Array {
  const session = encoder.encode(record.session ?? "").subarray(0, sessionBytesMax);
  const bytes = new Uint8Array(headerBytes + session.length + record.value.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = version;
  view.setBigUint64(1, record.flags);
  view.setBigUint64(9, BigInt(record.lockIndex));
  bytes[17] = session.length;
  bytes.set(session, headerBytes);
  bytes.set(record.value, headerBytes + session.length);
  return bytes;
}

export function decodeKv(key: string, bytes: Uint8Array): KvRecord | undefined {
  if (bytes.length < headerBytes || bytes[0] !== version) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const valueStart = headerBytes + view.getUint8(17);
  const lockIndex = Number(view.getBigUint64(9));
  if (valueStart > bytes.length || !Number.isSafeInteger(lockIndex)) return undefined;
  const record = { key, value: bytes.subarray(valueStart), flags: view.getBigUint64(1), lockIndex };
  if (valueStart === headerBytes) return record;
  return { ...record, session: decoder.decode(bytes.subarray(headerBytes, valueStart)) };
}
