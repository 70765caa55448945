/**
 * Bytes to message. Made for hostile input: counts are checked against the bytes that their records need at
 * least before anything is read, lengths and pointers in reader.ts, so the work is linear in the length of the
 * message with a small factor. Bytes after the last record are an error, as is a second OPT record.
 */
import type { DnsRecord, Edns, Message, Question } from "./message.ts";
import { typeNumbers } from "./numbers.ts";
import { readRdata } from "./rdata.ts";
import { Reader } from "./reader.ts";

const questionBytesMin = 5;
const recordBytesMin = 11;

interface OptRecord {
  readonly edns: Edns;
  readonly rcodeHigh: number;
}

/** @throws DNS_MALFORMED */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new Reader(bytes);
  const id = reader.u16();
  const flags = reader.u16();
  const counts = [reader.u16(), reader.u16(), reader.u16(), reader.u16()] as const;
  const needed = counts[0] * questionBytesMin + (counts[1] + counts[2] + counts[3]) * recordBytesMin;
  if (needed > bytes.length - reader.offset)
    throw reader.malformed("it announces more records than it can hold");

  const questions = Array.from({ length: counts[0] }, () => readQuestion(reader));
  const answers = readSection(reader, counts[1]);
  const authorities = readSection(reader, counts[2]);
  const opts: OptRecord[] = [];
  const additionals = readSection(reader, counts[3], opts);
  if (reader.offset !== bytes.length) throw reader.malformed("bytes follow the last record");
  if (opts.length > 1) throw reader.malformed("it has more than one OPT record");
  const opt = opts[0];
  return {
    id,
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    authenticData: (flags & 0x0020) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
    rcode: (flags & 15) | ((opt?.rcodeHigh ?? 0) << 4),
    questions,
    answers,
    authorities,
    additionals,
    ...(opt ? { edns: opt.edns } : {}),
  };
}

function readQuestion(reader: Reader): Question {
  return { name: reader.name(), type: reader.u16(), class: reader.u16() };
}

/** OPT records go to `opts`; without it, that is outside of the additional section, they are an error. */
function readSection(reader: Reader, count: number, opts?: OptRecord[]): DnsRecord[] {
  const records: DnsRecord[] = [];
  for (let i = 0; i < count; i++) {
    const name = reader.name();
    const type = reader.u16();
    const recordClass = reader.u16();
    const ttlSeconds = reader.u32();
    const length = reader.u16();
    const messageEnd = reader.end;
    if (reader.offset + length > messageEnd) throw reader.malformed("record data runs past the end");
    reader.end = reader.offset + length;
    if (type !== typeNumbers.OPT) {
      records.push({ name, class: recordClass, ttlSeconds, data: readRdata(reader, type) });
    } else if (opts && name === "") {
      opts.push(readOpt(reader, recordClass, ttlSeconds));
    } else {
      throw reader.malformed("an OPT record stands in the wrong place");
    }
    reader.end = messageEnd;
  }
  return records;
}

/** RFC 6891 section 6.1.2: class is the UDP size; the TTL holds rcode bits, version and flags. */
function readOpt(reader: Reader, udpBytes: number, ttl: number): OptRecord {
  const options: { code: number; data: Uint8Array }[] = [];
  while (reader.offset < reader.end) options.push({ code: reader.u16(), data: reader.take(reader.u16()) });
  return {
    edns: { udpBytes, version: (ttl >>> 16) & 0xff, dnssecOk: (ttl & 0x8000) !== 0, options },
    rcodeHigh: ttl >>> 24,
  };
}
