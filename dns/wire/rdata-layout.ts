/**
 * What stands in the data of each record type that we understand, as one table: the types of TypeScript, the
 * encoder and the decoder all follow it, so they cannot disagree. Every other type is carried as bytes
 * (RFC 3597), which is right as only the types of RFC 1035 may have compressed names in their data.
 *
 * Sources: RFC 1035 (A NS CNAME SOA PTR HINFO MX TXT), 1183 (RP AFSDB), 2230 (KX), 2782 (SRV), 3403 (NAPTR),
 * 3596 (AAAA), 4034 (DS), 6672 (DNAME), 8659 (CAA).
 */
import type { Ipv4, Ipv6 } from "../../addr/index.ts";
import { typeNumbers } from "./numbers.ts";

/** How a field stands on the wire, and as what in memory. */
export interface FieldValues {
  readonly ipv4: Ipv4;
  readonly ipv6: Ipv6;
  readonly u8: number;
  readonly u16: number;
  readonly u32: number;
  /** May be written compressed (types of RFC 1035 only). */
  readonly name: string;
  /** Never written compressed, though read so if it is (RFC 3597 section 4). */
  readonly plainName: string;
  /** At most 255 bytes, as latin1 text. */
  readonly text: string;
  /** One or more of them, to the end of the data. */
  readonly texts: readonly string[];
  /** To the end of the data, as latin1 text. */
  readonly restText: string;
  /** To the end of the data. */
  readonly rest: Uint8Array;
}

export type FieldKind = keyof FieldValues;
export type Layout = readonly (readonly [field: string, kind: FieldKind])[];

export const layouts = {
  A: [["address", "ipv4"]],
  AAAA: [["address", "ipv6"]],
  NS: [["target", "name"]],
  CNAME: [["target", "name"]],
  PTR: [["target", "name"]],
  DNAME: [["target", "plainName"]],
  MX: [
    ["preference", "u16"],
    ["exchange", "name"],
  ],
  KX: [
    ["preference", "u16"],
    ["exchange", "plainName"],
  ],
  AFSDB: [
    ["subtype", "u16"],
    ["host", "plainName"],
  ],
  RP: [
    ["mailbox", "plainName"],
    ["text", "plainName"],
  ],
  SOA: [
    ["primary", "name"],
    ["mailbox", "name"],
    ["serial", "u32"],
    ["refreshSeconds", "u32"],
    ["retrySeconds", "u32"],
    ["expireSeconds", "u32"],
    ["minimumSeconds", "u32"],
  ],
  SRV: [
    ["priority", "u16"],
    ["weight", "u16"],
    ["port", "u16"],
    ["target", "plainName"],
  ],
  TXT: [["texts", "texts"]],
  SPF: [["texts", "texts"]],
  HINFO: [
    ["cpu", "text"],
    ["os", "text"],
  ],
  CAA: [
    ["flags", "u8"],
    ["tag", "text"],
    ["value", "restText"],
  ],
  NAPTR: [
    ["order", "u16"],
    ["preference", "u16"],
    ["flags", "text"],
    ["service", "text"],
    ["regexp", "text"],
    ["replacement", "plainName"],
  ],
  DS: [
    ["keyTag", "u16"],
    ["algorithm", "u8"],
    ["digestType", "u8"],
    ["digest", "rest"],
  ],
} as const satisfies Record<string, Layout>;

type Layouts = typeof layouts;
export type KnownType = keyof Layouts;

/** Data of one known type: `{kind: "MX", preference, exchange}` and so on, as the table says. */
export type RdataOf<K extends KnownType> = K extends KnownType
  ? { readonly kind: K } & {
      readonly [Field in Layouts[K][number] as Field[0]]: FieldValues[Field[1]];
    }
  : never;

/** Data of a type that is not in the table. */
export interface UnknownRdata {
  readonly kind: "UNKNOWN";
  readonly type: number;
  readonly bytes: Uint8Array;
}

export type Rdata = RdataOf<KnownType> | UnknownRdata;

export const knownTypes: ReadonlyMap<number, KnownType> = new Map(
  (Object.keys(layouts) as KnownType[]).map((kind) => [typeNumbers[kind], kind]),
);

export function rdataType(data: Rdata): number {
  return data.kind === "UNKNOWN" ? data.type : typeNumbers[data.kind];
}
