/**
 * Writes in parts that fit what an engine takes at a time, in their order. Always holds: no part is empty, and only a
 * write that is larger by itself makes one that does not fit.
 */
import type { ReplacementWrite } from "./replacement.ts";

export interface PartLimits {
  readonly bytesMax: number;
  /** Default: any number. */
  readonly writesMax?: number;
  /** Bytes that a write takes in a part. */
  readonly sizeOf: (write: ReplacementWrite) => number;
}

export function inParts(
  writes: readonly ReplacementWrite[],
  { bytesMax, writesMax = Number.POSITIVE_INFINITY, sizeOf }: PartLimits,
): readonly (readonly ReplacementWrite[])[] {
  const parts: ReplacementWrite[][] = [];
  let bytes = 0;
  for (const write of writes) {
    const size = sizeOf(write);
    const last = parts.at(-1);
    if (last && last.length < writesMax && bytes + size <= bytesMax) {
      last.push(write);
      bytes += size;
    } else {
      parts.push([write]);
      bytes = size;
    }
  }
  return parts;
}
