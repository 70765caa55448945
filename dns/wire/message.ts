/**
 * A DNS message in memory (RFC 1035 section 4, RFC 6891). The OPT record is not among the additional records:
 * it stands in `edns`, and the upper bits of the response code, which travel in it, are part of `rcode`.
 */
import type { Rdata } from "./rdata-layout.ts";

export interface Question {
  /** Presentation text, case as asked (see name.ts). */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export interface DnsRecord {
  readonly name: string;
  readonly class: number;
  readonly ttlSeconds: number;
  readonly data: Rdata;
}

export interface EdnsOption {
  readonly code: number;
  readonly data: Uint8Array;
}

export interface Edns {
  /** Largest UDP message that the sender takes. */
  readonly udpBytes: number;
  readonly version: number;
  /** DO: the sender wants DNSSEC records. */
  readonly dnssecOk: boolean;
  readonly options: readonly EdnsOption[];
}

export interface Message {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly checkingDisabled: boolean;
  /** 12 bits with EDNS, 4 without. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  readonly edns?: Edns;
}

export const headerBytes = 12;
export const messageBytesMax = 0xffff;

/** A message with everything empty, to spread over. */
export const emptyMessage: Message = {
  id: 0,
  response: false,
  opcode: 0,
  authoritative: false,
  truncated: false,
  recursionDesired: false,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled: false,
  rcode: 0,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
};
