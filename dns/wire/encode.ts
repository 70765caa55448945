/**
 * Message to bytes. When a limit is given and the message is larger, records are left out from the end, whole
 * records only: a missing answer or authority sets TC and drops all additional records, a missing additional
 * record alone does not (RFC 2181 section 9). The OPT record is never left out (RFC 6891 section 7). Which
 * records stay depends on the message and the limit alone.
 */
import { type DnsRecord, type Edns, type Message, messageBytesMax } from "./message.ts";
import { typeNumbers } from "./numbers.ts";
import { writeRdata } from "./rdata.ts";
import { rdataType } from "./rdata-layout.ts";
import { Writer } from "./writer.ts";

const flagsAt = 2;
const countsAt = 4;
const optBytesMin = 11;

/** @throws DNS_INVALID_NAME, DNS_MESSAGE_TOO_LARGE (also when not even the question fits) */
export function encodeMessage(message: Message, maxBytes = messageBytesMax): Uint8Array {
  const writer = new Writer();
  const limit = Math.min(maxBytes, messageBytesMax) - optBytes(message.edns);
  writer.u16(message.id);
  writer.u16(flagBits(message));
  writer.u16(message.questions.length);
  for (let i = 0; i < 3; i++) writer.u16(0);
  for (const question of message.questions) {
    writer.name(question.name, true);
    writer.u16(question.type);
    writer.u16(question.class);
  }
  const answers = writeSection(writer, message.answers, limit);
  const complete = answers === message.answers.length;
  const authorities = complete ? writeSection(writer, message.authorities, limit) : 0;
  const truncated = !complete || authorities < message.authorities.length;
  const additionals = truncated ? 0 : writeSection(writer, message.additionals, limit);
  if (message.edns) writeOpt(writer, message.edns, message.rcode >> 4);

  if (truncated) writer.patchU16(flagsAt, flagBits(message) | 0x0200);
  writer.patchU16(countsAt + 2, answers);
  writer.patchU16(countsAt + 4, authorities);
  writer.patchU16(countsAt + 6, additionals + (message.edns ? 1 : 0));
  return writer.finish();
}

/** How many of the records were written: as many as fit, from the first. */
function writeSection(writer: Writer, records: readonly DnsRecord[], limit: number): number {
  for (const [i, record] of records.entries()) {
    const start = writer.offset;
    writer.name(record.name, true);
    writer.u16(rdataType(record.data));
    writer.u16(record.class);
    writer.u32(record.ttlSeconds);
    const lengthAt = writer.offset;
    writer.u16(0);
    writeRdata(writer, record.data);
    if (writer.offset > limit) {
      writer.rewind(start);
      return i;
    }
    writer.patchU16(lengthAt, writer.offset - lengthAt - 2);
  }
  return records.length;
}

function writeOpt(writer: Writer, edns: Edns, rcodeHigh: number): void {
  writer.u8(0);
  writer.u16(typeNumbers.OPT);
  writer.u16(edns.udpBytes);
  writer.u8(rcodeHigh);
  writer.u8(edns.version);
  writer.u16(edns.dnssecOk ? 0x8000 : 0);
  writer.u16(optBytes(edns) - optBytesMin);
  for (const option of edns.options) {
    writer.u16(option.code);
    writer.u16(option.data.length);
    writer.bytes(option.data);
  }
}

function optBytes(edns: Edns | undefined): number {
  return edns ? edns.options.reduce((sum, option) => sum + 4 + option.data.length, optBytesMin) : 0;
}

function flagBits(message: Message): number {
  return (
    (message.response ? 0x8000 : 0) |
    ((message.opcode & 15) << 11) |
    (message.authoritative ? 0x0400 : 0) |
    (message.truncated ? 0x0200 : 0) |
    (message.recursionDesired ? 0x0100 : 0) |
    (message.recursionAvailable ? 0x0080 : 0) |
    (message.authenticData ? 0x0020 : 0) |
    (message.checkingDisabled ? 0x0010 : 0) |
    (message.rcode & 15)
  );
}
