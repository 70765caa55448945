/**
 * What stands in etcd while a replacement is under way: the marker, and the writes in parts that fit one transaction of
 * etcd each.
 *
 *   staging    nothing of the store was changed yet; who finds it left behind takes it back
 *   applying   the first `done` parts stand in the store; who finds it left behind finishes it
 *
 * JSON, bytes as base64, so that `etcdctl get` shows what is going on.
 */
import { FabricError } from "../../../errors/index.ts";
import { inParts } from "../../core/parts.ts";
import type { ReplacementWrite } from "../../core/replacement.ts";

export interface RestoreMarker {
  readonly phase: "staging" | "applying";
  /** Whoever writes now: unique to one attempt. */
  readonly owner: string;
  /** Parts written, to where `phase` says. */
  readonly done: number;
  /** Parts there are, once that is known. */
  readonly parts: number;
}

/** Half of what etcd takes at most in a transaction by default, beside the marker. */
const operationsPerPart = 100;
/** Encoded, a part of one largest value stays within etcd's 1.5 MiB. */
const bytesPerPart = 512 * 1024;

export function encodeMarker(marker: RestoreMarker): Buffer {
  return Buffer.from(JSON.stringify(marker));
}

/** @throws STORE_CORRUPT */
export function decodeMarker(value: Uint8Array): RestoreMarker {
  const marker = parse(value) as Partial<RestoreMarker>;
  const { phase, owner, done, parts } = marker;
  const isWhole =
    (phase === "staging" || phase === "applying") &&
    typeof owner === "string" &&
    Number.isSafeInteger(done) &&
    Number.isSafeInteger(parts);
  if (isWhole) return marker as RestoreMarker;
  throw damaged();
}

export function partsOf(writes: readonly ReplacementWrite[]): readonly (readonly ReplacementWrite[])[] {
  return inParts(writes, {
    bytesMax: bytesPerPart,
    writesMax: operationsPerPart,
    sizeOf: (write) => write.key.length + (write.op === "put" ? write.value.length : 0),
  });
}

export function encodePart(writes: readonly ReplacementWrite[]): Buffer {
  const shown = writes.map((write) =>
    write.op === "put" ? [write.key, Buffer.from(write.value).toString("base64")] : [write.key],
  );
  return Buffer.from(JSON.stringify(shown));
}

/** @throws STORE_CORRUPT */
export function decodePart(value: Uint8Array): ReplacementWrite[] {
  const shown = parse(value);
  if (!Array.isArray(shown)) throw damaged();
  return shown.map((entry: unknown): ReplacementWrite => {
    const [key, base64] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof key !== "string") throw damaged();
    if (base64 === undefined) return { op: "delete", key };
    return { op: "put", key, value: Buffer.from(String(base64), "base64") };
  });
}

function parse(value: Uint8Array): object {
  try {
    return Object(JSON.parse(Buffer.from(value).toString("utf8"))) as object;
  } catch {
    throw damaged();
  }
}

function damaged(): FabricError {
  return new FabricError(
    "STORE_CORRUPT",
    "finish the restore of a snapshot: what another server left of it cannot be read; put a backup of etcd back, or delete the keys of this prefix",
  );
}
