/** What the resolver says to a question, before it is a message: no id, no size limit, no order yet. */
import { classIn, type DnsRecord, type Rdata, rcodes } from "../../wire/index.ts";

export interface Resolution {
  readonly rcode: number;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** Keys (changeKey) of everything of the catalog that was looked at. */
  readonly dependsOn: readonly string[];
  /** The answers are equals and may be given in any order; otherwise their order has a meaning (CNAME first). */
  readonly anyOrder: boolean;
  /** The order is for the subnet that was named in the question (RFC 7871). */
  readonly tailored?: boolean;
  /** A name outside of our domains that an answered CNAME points to. */
  readonly chase?: string;
}

export function record(name: string, ttlSeconds: number, data: Rdata): DnsRecord {
  return { name, class: classIn, ttlSeconds, data };
}

export function found(
  answers: readonly DnsRecord[],
  dependsOn: readonly string[],
  additionals: readonly DnsRecord[] = [],
): Resolution {
  return { rcode: rcodes.NOERROR, answers, authorities: [], additionals, dependsOn, anyOrder: true };
}

/** NODATA (rcode 0) and NXDOMAIN both carry the SOA, whose TTL says how long "no" holds (RFC 2308). */
export function negative(rcode: number, soa: DnsRecord, dependsOn: readonly string[]): Resolution {
  return { rcode, answers: [], authorities: [soa], additionals: [], dependsOn, anyOrder: true };
}

/** What was found, or NODATA if that is nothing. */
export function answer(
  answers: readonly DnsRecord[],
  soa: DnsRecord,
  dependsOn: readonly string[],
  additionals: readonly DnsRecord[] = [],
): Resolution {
  return answers.length === 0
    ? negative(rcodes.NOERROR, soa, dependsOn)
    : found(answers, dependsOn, additionals);
}
