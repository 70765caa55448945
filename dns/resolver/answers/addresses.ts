/** Address records, and which of them a question type asks for. */
import { familyOf, type Ip, type Ipv4, type Ipv6 } from "../../../addr/index.ts";
import { type DnsRecord, type Question, typeNumbers } from "../../wire/index.ts";
import { record } from "./resolution.ts";

export function addressRecord(name: string, ttlSeconds: number, ip: Ip): DnsRecord {
  return familyOf(ip) === 4
    ? record(name, ttlSeconds, { kind: "A", address: ip as Ipv4 })
    : record(name, ttlSeconds, { kind: "AAAA", address: ip as Ipv6 });
}

/** Each address once. ANY gets one family only: a part of the truth suffices (RFC 8482 section 4.1). */
export function addressRecords(
  name: string,
  ttlSeconds: number,
  ips: Iterable<Ip>,
  type: number,
): DnsRecord[] {
  const unique = [...new Set(ips)];
  const ofFamily = (family: number) => unique.filter((ip) => familyOf(ip) === family);
  const four = type === typeNumbers.AAAA ? [] : ofFamily(4);
  const six = type === typeNumbers.AAAA || (type === typeNumbers.ANY && four.length === 0) ? ofFamily(6) : [];
  return [...four, ...six].map((ip) => addressRecord(name, ttlSeconds, ip));
}

/** Nothing for a type that is not about addresses. */
export function addressAnswers(question: Question, ttlSeconds: number, ips: Iterable<Ip>): DnsRecord[] {
  return isAddressType(question.type) ? addressRecords(question.name, ttlSeconds, ips, question.type) : [];
}

export function isAddressType(type: number): boolean {
  return type === typeNumbers.A || type === typeNumbers.AAAA || type === typeNumbers.ANY;
}

/** 8 or 32 hexadecimal digits in network order, the first label of an `addr` name. */
export function addressDigits(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
