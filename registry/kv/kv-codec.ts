/**
 * A key's value as it stands in the store:
 *
 *   version (1 byte) | flags (u64 BE) | lockIndex (u64 BE) | session length (1 byte) | session | time | value
 *
 * Version 1 has no time; in version 2 it is: TTL in milliseconds (u32 BE) | lease length (1 byte) | lease.
 *
 * Binary instead of JSON because values are arbitrary bytes and reading must not copy them: a decoded value is
 * a view into the store's bytes. Decoding never throws: what does not fit is undefined.
 */
import type { KvRecord } from "../model.ts";

const [plain, timed] = [1, 2] as const;
const headerBytes = 18;
const timeBytes = 5;
const textBytesMax = 255;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeKv(record: Omit<KvRecord, "key">): Uint8Array {
  const session = encoder.encode(record.session ?? "").subarray(0, textBytesMax);
  const lease =
    record.lease === undefined ? undefined : encoder.encode(record.lease).subarray(0, textBytesMax);
  const timeAt = headerBytes + session.length;
  const valueAt = timeAt + (lease ? timeBytes + lease.length : 0);
  const bytes = new Uint8Array(valueAt + record.value.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = lease ? timed : plain;
  view.setBigUint64(1, record.flags);
  view.setBigUint64(9, BigInt(record.lockIndex));
  bytes[17] = session.length;
  bytes.set(session, headerBytes);
  if (lease) {
    view.setUint32(timeAt, record.ttlMs ?? 0);
    bytes[timeAt + 4] = lease.length;
    bytes.set(lease, timeAt + timeBytes);
  }
  bytes.set(record.value, valueAt);
  return bytes;
}

export function decodeKv(key: string, bytes: Uint8Array): KvRecord | undefined {
  const version = bytes[0];
  if (bytes.length < headerBytes || (version !== plain && version !== timed)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const timeAt = headerBytes + view.getUint8(17);
  const lockIndex = Number(view.getBigUint64(9));
  if (timeAt > bytes.length || !Number.isSafeInteger(lockIndex)) return undefined;
  const time = version === timed ? decodeTime(bytes, view, timeAt) : { end: timeAt };
  if (!time) return undefined;
  const { end, ...fields } = time;
  const record = { key, value: bytes.subarray(end), flags: view.getBigUint64(1), lockIndex, ...fields };
  if (timeAt === headerBytes) return record;
  return { ...record, session: decoder.decode(bytes.subarray(headerBytes, timeAt)) };
}

function decodeTime(bytes: Uint8Array, view: DataView, at: number) {
  if (at + timeBytes > bytes.length) return undefined;
  const end = at + timeBytes + view.getUint8(at + 4);
  if (end > bytes.length) return undefined;
  return { end, ttlMs: view.getUint32(at), lease: decoder.decode(bytes.subarray(at + timeBytes, end)) };
}
