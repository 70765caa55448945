/** What servers remember of a node's last certificate: enough to know the node again when it has ended, and to see a rotation through. */

export interface IssuedRecord {
  readonly generation: number;
  /**
   * Fingerprints of its key, and of the one that the node renewed with: which of the two a node has that fell at
   * that moment, nobody knows.
   */
  readonly keys: readonly string[];
  readonly untilMs: number;
  /** Fingerprint of the authority that signed it. */
  readonly by: string;
  /** Fingerprints of those that the node was told to believe. */
  readonly believes: readonly string[];
}

/** Why a node that shows `key` is not given another certificate; "stranger" says nothing to one who guesses. */
export type ReturnRefusal = "stranger" | "revoked" | "too late";

export function judgeReturn(
  record: IssuedRecord | undefined,
  generation: number,
  key: string,
  { nowMs, withinMs }: { readonly nowMs: number; readonly withinMs: number },
): ReturnRefusal | undefined {
  if (!record?.keys.includes(key)) return "stranger";
  if (record.generation !== generation) return "revoked";
  return nowMs >= record.untilMs + withinMs ? "too late" : undefined;
}
