/**
 * The mark in the store of a plan that is not whole. While it says `gathering` no term is begun or renewed, nothing is
 * claimed and nothing reclaimed, by any server: every such transaction compares it. Afterwards it keeps the offset by
 * which epochs and serials of this store are above those that nodes brought from another.
 */
import { FabricError } from "../../errors/index.ts";
import type { Store } from "../../store/index.ts";
import { ipamKeys, readTogether, type Snapshot } from "../plan/index.ts";

export type RecoveryMark =
  | { readonly phase: "gathering"; readonly sinceMs: number; readonly offset: number }
  | { readonly phase: "done"; readonly offset: number };

/** Of a snapshot that has read the mark. @throws IPAM_RECOVERING */
export function offsetOf(snapshot: Snapshot, action: string): number {
  const mark = snapshot.get<RecoveryMark>(ipamKeys.recovery);
  if (mark?.phase !== "gathering") return mark?.offset ?? 0;
  throw new FabricError(
    "IPAM_RECOVERING",
    `${action}: the address plan is being gathered from the nodes; nodes state what they hold by themselves, then \`heddle recover finish\``,
  );
}

export async function isGathering(store: Store): Promise<boolean> {
  const snapshot = await readTogether(store, [ipamKeys.recovery]);
  return snapshot.get<RecoveryMark>(ipamKeys.recovery)?.phase === "gathering";
}
