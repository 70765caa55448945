/**
 * Numbers of the DNS protocol and their mnemonics (IANA "Domain Name System Parameters"). A type without a
 * mnemonic prints and parses as `TYPE12345` (RFC 3597 section 5).
 */

/** Types that a question may ask for or a record may have. */
export const typeNumbers = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const;

export type TypeName = keyof typeof typeNumbers;

const typeNames = new Map<number, string>(
  Object.entries(typeNumbers).map(([name, number]) => [number, name]),
);

export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`;
}

/** The number of a mnemonic or of `TYPE123`, in any case; undefined when it is neither. */
export function typeNumber(text: string): number | undefined {
  const upper = text.toUpperCase();
  if (Object.hasOwn(typeNumbers, upper)) return typeNumbers[upper as TypeName];
  const match = /^TYPE(\d{1,5})$/.exec(upper);
  const number = match ? Number(match[1]) : Number.NaN;
  return number <= 0xffff ? number : undefined;
}

export const classIn = 1;

export const opcodeQuery = 0;

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Needs EDNS: its upper bits travel in the OPT record (RFC 6891 section 6.1.3). */
  BADVERS: 16,
  /** The cookie is not ours or too old: ask again with the one in this reply (RFC 7873). */
  BADCOOKIE: 23,
} as const;

const rcodeNames = new Map<number, string>(Object.entries(rcodes).map(([name, number]) => [number, name]));

export function rcodeName(rcode: number): string {
  return rcodeNames.get(rcode) ?? `RCODE${rcode}`;
}

/** EDNS options (IANA "DNS EDNS0 Option Codes"). */
/** For whose network a resolver asks (RFC 7871). */
export const clientSubnetOption = 8;
export const cookieOption = 10;
export const keepaliveOption = 11;
export const paddingOption = 12;
export const extendedErrorOption = 15;

/** Info codes of Extended DNS Errors (RFC 8914) that we send. */
export const extendedErrors = {
  Other: 0,
  StaleAnswer: 3,
  Prohibited: 18,
  StaleNxdomain: 19,
  NotReady: 14,
  NotSupported: 21,
  NoReachableAuthority: 22,
  NetworkError: 23,
} as const;
