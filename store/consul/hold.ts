/**
 * A replacement in the log: first a hold, then the writes in as many entries as they take, then the entry that does them
 * all, as one revision. Pure.
 *
 * Always holds: while a hold stands no transaction is applied, so what was worked out when it began stays right; only
 * who has the hold adds to it or ends it by doing it, and a hold without progress may be dropped by anybody.
 */
import { FabricError } from "../../errors/index.ts";
import { inParts } from "../core/parts.ts";
import type { ReplacementWrite } from "../core/replacement.ts";
import { restoring } from "../core/restoring.ts";

export interface Hold {
  /** Of one attempt. */
  readonly id: string;
  readonly staged: readonly ReplacementWrite[];
}

export type HoldCommand =
  | { readonly kind: "hold"; readonly id: string }
  | { readonly kind: "stage"; readonly id: string; readonly writes: readonly ReplacementWrite[] }
  /** Does what is staged. */
  | { readonly kind: "replace"; readonly id: string }
  | { readonly kind: "drop"; readonly id: string };

/** The hold after `hold`, `stage` or `drop`. @throws STORE_UNAVAILABLE */
export function applyHold(
  held: Hold | undefined,
  command: Exclude<HoldCommand, { readonly kind: "replace" }>,
): Hold | undefined {
  switch (command.kind) {
    case "hold":
      if (held) throw restoring("restore a snapshot");
      return { id: command.id, staged: [] };
    case "stage": {
      const mine = holdOf(held, command.id);
      return { ...mine, staged: [...mine.staged, ...command.writes] };
    }
    case "drop":
      return held?.id === command.id ? undefined : held;
    default:
      return command satisfies never;
  }
}

/** @throws STORE_UNAVAILABLE when it was dropped */
export function holdOf(held: Hold | undefined, id: string): Hold {
  if (held?.id === id) return held;
  throw new FabricError(
    "STORE_UNAVAILABLE",
    "restore a snapshot: it made no progress for too long and was taken back; nothing was changed, try again",
  );
}

/** Parts whose text is within an entry: base64 takes four bytes for three. */
export function stages(
  writes: readonly ReplacementWrite[],
  entryBytesMax: number,
): readonly (readonly ReplacementWrite[])[] {
  return inParts(writes, {
    bytesMax: entryBytesMax - 256,
    sizeOf: (write) =>
      JSON.stringify(write.key).length + 64 + (write.op === "put" ? write.value.length * (4 / 3) : 0),
  });
}
