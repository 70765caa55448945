/**
 * Where a store's keys are in an engine that it shares: all under one prefix.
 *
 *   <prefix>store      who this is, see identity.ts
 *   <prefix>fence      written to learn how far the watch is
 *   <prefix>restore    stands while a replacement is under way, and its writes at <prefix>restore/N, see restore/
 *   <prefix>data/KEY   the keys of the contract, as UTF-8
 */
import { FabricError } from "../../errors/index.ts";
import { checkPrefix } from "../core/store-record.ts";
import type { StoreItem } from "../store.ts";
import type { KeyValue } from "./proto/gen/etcd_pb.ts";

export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export class Keyspace {
  readonly prefix: string;
  readonly storeKey: Uint8Array;
  readonly fenceKey: Uint8Array;
  readonly restoreKey: Uint8Array;
  readonly #data: string;
  readonly #dataBytes: Buffer;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  /** @throws STORE_INVALID_PREFIX */
  constructor(prefix: string) {
    checkPrefix(prefix);
    this.prefix = prefix;
    this.#data = `${prefix}data/`;
    this.#dataBytes = Buffer.from(this.#data);
    this.storeKey = Buffer.from(`${prefix}store`);
    this.fenceKey = Buffer.from(`${prefix}fence`);
    this.restoreKey = Buffer.from(`${prefix}restore`);
  }

  key(key: string): Uint8Array {
    return Buffer.from(this.#data + key);
  }

  /** All keys of the contract with this prefix, from `from` on. */
  range(prefix: string, from = prefix): KeyRange {
    const key = this.key(from > prefix ? from : prefix);
    return { key, rangeEnd: endOf(this.key(prefix)) };
  }

  /** The writes of a replacement that wait for their turn, in order. */
  restoreChunk(index: number): Uint8Array {
    return Buffer.from(`${this.prefix}restore/${`${index}`.padStart(8, "0")}`);
  }

  restoreChunks(): KeyRange {
    const key = Buffer.from(`${this.prefix}restore/`);
    return { key, rangeEnd: endOf(key) };
  }

  /** Everything of this store. */
  whole(): KeyRange {
    const key = Buffer.from(this.prefix);
    return { key, rangeEnd: endOf(key) };
  }

  /** Undefined for keys that are not of the contract. @throws STORE_CORRUPT */
  decode(key: Uint8Array): string | undefined {
    const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
    if (!bytes.subarray(0, this.#dataBytes.length).equals(this.#dataBytes)) return undefined;
    try {
      return this.#decoder.decode(bytes.subarray(this.#dataBytes.length));
    } catch (cause) {
      throw new FabricError(
        "STORE_CORRUPT",
        `read store: key ${bytes.toString("hex")} under "${this.prefix}" is not UTF-8, so another program wrote it; delete it or use another --store-prefix`,
        { cause },
      );
    }
  }

  item(kv: KeyValue): StoreItem {
    return {
      key: this.decode(kv.key) ?? "",
      // A copy, or a small value would hold the whole message.
      value: new Uint8Array(kv.value),
      createRevision: Number(kv.createRevision),
      modRevision: Number(kv.modRevision),
      version: Number(kv.version),
      ...(kv.lease === 0n ? {} : { lease: `${kv.lease}` }),
    };
  }
}

/** The first key behind all that begin with these bytes; UTF-8 has no 0xff to carry over. */
export function endOf(prefix: Uint8Array): Uint8Array {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
