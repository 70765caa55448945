/** Reads and writes record data by the table in rdata-layout.ts. */
import type { Ip } from "../../addr/index.ts";
import { type FieldKind, knownTypes, type Layout, layouts, type Rdata } from "./rdata-layout.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

type FieldValue = string | number | Uint8Array | readonly string[];

/** Reads to `reader.end`, which the caller has set to the end of this record's data. @throws DNS_MALFORMED */
export function readRdata(reader: Reader, type: number): Rdata {
  const kind = knownTypes.get(type);
  if (kind === undefined) return { kind: "UNKNOWN", type, bytes: reader.take(reader.end - reader.offset) };
  const data: Record<string, FieldValue> = { kind };
  for (const [field, fieldKind] of layouts[kind] as Layout) data[field] = readField(reader, fieldKind);
  if (reader.offset !== reader.end) throw reader.malformed(`the data of a ${kind} record is too long`);
  return data as unknown as Rdata;
}

/** @throws DNS_INVALID_NAME, DNS_MESSAGE_TOO_LARGE */
export function writeRdata(writer: Writer, data: Rdata): void {
  if (data.kind === "UNKNOWN") {
    writer.bytes(data.bytes);
    return;
  }
  const values = data as unknown as Readonly<Record<string, FieldValue>>;
  for (const [field, kind] of layouts[data.kind] as Layout) writeField(writer, kind, values[field]);
}

function readField(reader: Reader, kind: FieldKind): FieldValue {
  switch (kind) {
    case "ipv4":
      return reader.ipv4();
    case "ipv6":
      return reader.ipv6();
    case "u8":
      return reader.u8();
    case "u16":
      return reader.u16();
    case "u32":
      return reader.u32();
    case "name":
    case "plainName":
      return reader.name();
    case "text":
      return reader.latin1(reader.u8());
    case "texts": {
      const texts: string[] = [];
      do texts.push(reader.latin1(reader.u8()));
      while (reader.offset < reader.end);
      return texts;
    }
    case "restText":
      return reader.latin1(reader.end - reader.offset);
    case "rest":
      return reader.take(reader.end - reader.offset);
    default:
      return kind satisfies never;
  }
}

function writeField(writer: Writer, kind: FieldKind, value: FieldValue | undefined): void {
  switch (kind) {
    case "ipv4":
    case "ipv6":
      writer.ip(value as Ip);
      break;
    case "u8":
      writer.u8(value as number);
      break;
    case "u16":
      writer.u16(value as number);
      break;
    case "u32":
      writer.u32(value as number);
      break;
    case "name":
    case "plainName":
      writer.name(value as string, kind === "name");
      break;
    case "text":
      writer.text(value as string);
      break;
    case "texts":
      for (const text of value as readonly string[]) writer.text(text);
      break;
    case "restText":
      writer.latin1(value as string);
      break;
    case "rest":
      writer.bytes(value as Uint8Array);
      break;
    default:
      kind satisfies never;
  }
}
