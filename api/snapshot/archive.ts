/**
 * The archive of a snapshot: gzip of lines of JSON, so that `zcat` shows it.
 *
 *   {"heddle":"snapshot","version":1,"datacenter":…,"revision":…,"at":…}     version 2: with "content":"whole"
 *   {"key":…,"value":base64}            one a record
 *   {"records":N,"sha256":hex}          of all bytes before this line
 *
 * Always holds: what is cut off, changed or of another kind is refused before any of it is used; a reader holds at
 * most `snapshotBytesMax` of unpacked text, whatever the archive claims (a small archive can unpack to a large one).
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import * as z from "zod";
import { FabricError } from "../../errors/index.ts";
import type { SnapshotRecord } from "../../registry/index.ts";
import type { ByteStream } from "../request.ts";

/** Unpacked. */
export const snapshotBytesMax = 1024 * 1024 * 1024;
const partBytes = 64 * 1024;

const about = { heddle: z.literal("snapshot"), datacenter: z.string(), revision: z.int(), at: z.string() };
/** The second is of all that makes a store; who knows the first only must not take it for one. */
const headSchema = z.union([
  z.strictObject({ ...about, version: z.literal(1) }),
  z.strictObject({ ...about, version: z.literal(2), content: z.literal("whole") }),
]);
const versionMax = 2;
const recordSchema = z.strictObject({ key: z.string().min(1), value: z.base64() });
const endSchema = z.strictObject({ records: z.int(), sha256: z.string() });

export type SnapshotHead = z.infer<typeof headSchema>;

export interface AboutSnapshot {
  readonly datacenter: string;
  readonly revision: number;
  readonly at: string;
  /** All that makes a store, secrets included; absent: what people wrote. */
  readonly content?: "whole";
}

export interface Snapshot {
  readonly head: SnapshotHead;
  readonly records: readonly SnapshotRecord[];
}

export function packSnapshot(head: AboutSnapshot, records: Iterable<SnapshotRecord>): ByteStream {
  // Records are made as fast as they are packed, and packed as fast as somebody reads.
  const text = Readable.from(lines(head, records), { objectMode: false });
  return text.pipe(createGzip({ level: 6 }));
}

function* lines(head: AboutSnapshot, records: Iterable<SnapshotRecord>): Generator<Buffer> {
  const hash = createHash("sha256");
  let count = 0;
  let text = `${JSON.stringify({ heddle: "snapshot", version: head.content ? 2 : 1, ...head })}\n`;
  const flush = () => {
    const bytes = Buffer.from(text);
    text = "";
    return bytes;
  };
  for (const { key, value } of records) {
    count++;
    const base64 = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
    text += `${JSON.stringify({ key, value: base64 })}\n`;
    if (text.length < partBytes) continue;
    const bytes = flush();
    hash.update(bytes);
    yield bytes;
  }
  const rest = flush();
  hash.update(rest);
  yield rest;
  yield Buffer.from(`${JSON.stringify({ records: count, sha256: hash.digest("hex") })}\n`);
}

/** @throws API_SNAPSHOT_DAMAGED, also for what is no snapshot; what reading the archive throws */
export async function unpackSnapshot(archive: ByteStream, bytesMax = snapshotBytesMax): Promise<Snapshot> {
  const reader = new LineReader(bytesMax);
  const gunzip = createGunzip();
  let cause: unknown;
  try {
    await pipeline(
      async function* () {
        try {
          yield* archive;
        } catch (error) {
          cause = error;
          throw error;
        }
      },
      gunzip,
      async (text: AsyncIterable<Buffer>) => {
        for await (const bytes of text) reader.add(bytes);
      },
    );
    return reader.finish();
  } catch (error) {
    if (cause !== undefined) throw cause;
    if (error instanceof FabricError) throw error;
    throw damaged(error instanceof Error ? error.message : String(error), error);
  }
}

/** The last line is held back: only at the end it is known to be the last. */
class LineReader {
  readonly #bytesMax: number;
  readonly #hash = createHash("sha256");
  readonly #records: SnapshotRecord[] = [];
  #head: SnapshotHead | undefined;
  #rest = Buffer.alloc(0);
  #pending: Buffer | undefined;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#bytesMax) {
      throw new FabricError(
        "API_SNAPSHOT_DAMAGED",
        `read snapshot: it unpacks to more than ${this.#bytesMax} bytes; nothing was changed`,
        { details: { limit: "snapshotBytesMax", max: this.#bytesMax } },
      );
    }
    let text = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10)) {
      this.#line(text.subarray(0, end + 1));
      text = text.subarray(end + 1);
    }
    this.#rest = Buffer.from(text);
  }

  finish(): Snapshot {
    const end = this.#pending && read(endSchema, this.#pending);
    if (!this.#head || !end || this.#rest.length > 0) throw damaged("it ends before its end");
    if (end.records !== this.#records.length || end.sha256 !== this.#hash.digest("hex"))
      throw damaged("its checksum is not that of its content");
    return { head: this.#head, records: this.#records };
  }

  #line(line: Buffer): void {
    const before = this.#pending;
    this.#pending = Buffer.from(line);
    if (!before) return;
    this.#hash.update(before);
    if (!this.#head) {
      this.#head = read(headSchema, before) ?? undefined;
      if (!this.#head) throw newer(before) ?? damaged("it does not begin as a snapshot does");
      return;
    }
    const record = read(recordSchema, before);
    if (!record) throw damaged(`its line ${this.#records.length + 2} is no record`);
    this.#records.push({ key: record.key, value: Buffer.from(record.value, "base64") });
  }
}

function read<T extends z.ZodType>(schema: T, line: Buffer): z.output<T> | undefined {
  try {
    return schema.safeParse(JSON.parse(line.toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

function damaged(why: string, cause?: unknown): FabricError {
  return new FabricError(
    "API_SNAPSHOT_DAMAGED",
    `read snapshot: ${why}; it is damaged or no snapshot of Heddle, take another. Nothing was changed`,
    { cause },
  );
}

function newer(head: Buffer): FabricError | undefined {
  const known = read(z.object({ heddle: z.literal("snapshot"), version: z.int().min(versionMax + 1) }), head);
  return (
    known &&
    new FabricError(
      "API_SNAPSHOT_NEWER",
      `read snapshot: it is of version ${known.version}, this program knows up to ${versionMax}; use the release that made it, or a later one. Nothing was changed`,
      { details: { version: known.version, known: versionMax } },
    )
  );
}
