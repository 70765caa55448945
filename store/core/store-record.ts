/** The record by which a shared engine's prefix says that it is a Heddle store, and which. */
import { FabricError } from "../../errors/index.ts";

const format = 1;

export interface StoreRecord {
  readonly id: string;
  /** The engine's own name for its history, where it has one: with another one this store is another, too. */
  readonly history: string;
}

export function encodeStoreRecord({ id, history }: StoreRecord): Buffer {
  return Buffer.from(JSON.stringify({ format, id, history }));
}

/** @throws STORE_CORRUPT, STORE_SCHEMA_NEWER */
export function decodeStoreRecord(value: Uint8Array, prefix: string): StoreRecord {
  let record: Readonly<Record<string, unknown>>;
  try {
    record = Object(JSON.parse(Buffer.from(value).toString())) as typeof record;
  } catch {
    record = {};
  }
  const { format: version, id, history } = record;
  if (typeof version === "number" && version > format) {
    throw new FabricError(
      "STORE_SCHEMA_NEWER",
      `open store "${prefix}": it is of version ${version}, this program knows ${format}; install the newer version`,
      { details: { prefix, version, known: format } },
    );
  }
  if (version === format && typeof id === "string" && typeof history === "string") return { id, history };
  throw new FabricError(
    "STORE_CORRUPT",
    `open store "${prefix}": its record ${prefix}store is damaged; restore it, or use another --store-prefix`,
    { details: { prefix } },
  );
}

export function foreignKeys(prefix: string): FabricError {
  return new FabricError(
    "STORE_CORRUPT",
    `open store "${prefix}": there are keys under this prefix, and none of them says that they are a Heddle store; use another --store-prefix, or delete them if they are nobody's`,
    { details: { prefix } },
  );
}

/** @throws STORE_INVALID_PREFIX */
export function checkPrefix(prefix: string): void {
  if (/^[^\s/][^\s]*\/$/.test(prefix) && prefix.isWellFormed()) return;
  throw new FabricError(
    "STORE_INVALID_PREFIX",
    `open store: prefix ${JSON.stringify(prefix)} is not a name with "/" at its end; use one like "heddle/"`,
  );
}
