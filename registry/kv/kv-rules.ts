/** What a write makes of what stands under a key: Consul's rules, pure, for single writes and transactions alike. */
import type { KvRecord } from "../model.ts";

/** A write without a time makes the key stay for ever, whatever it had before. */
export interface KvTime {
  readonly ttlMs: number;
  readonly lease: string;
}

export type KvChange = { readonly value: Uint8Array; readonly flags: bigint } & (
  | { readonly kind: "set"; readonly time?: KvTime }
  /** 0: only if the key is absent. */
  | { readonly kind: "cas"; readonly index: number }
  | { readonly kind: "lock" | "unlock"; readonly session: string }
);

export type KvDecision =
  | { readonly kind: "refused" }
  /** Nothing would change: ModifyIndex stays. */
  | { readonly kind: "keep" }
  | { readonly kind: "write"; readonly record: Omit<KvRecord, "key"> };

export function decideWrite(held: HeldKey | undefined, change: KvChange): KvDecision {
  const { value, flags } = change;
  const { lockIndex = 0, session } = held ?? {};
  switch (change.kind) {
    case "set":
      return next(held, {
        value,
        flags,
        lockIndex,
        ...(session !== undefined && { session }),
        ...(change.time && { ttlMs: change.time.ttlMs, lease: change.time.lease }),
      });
    case "cas":
      if (change.index !== (held?.modifyIndex ?? 0)) return { kind: "refused" };
      return next(held, { value, flags, lockIndex, ...(session !== undefined && { session }) });
    case "lock": {
      if (session !== undefined && session !== change.session) return { kind: "refused" };
      const raised = session === undefined ? lockIndex + 1 : lockIndex;
      return next(held, { value, flags, lockIndex: raised, session: change.session });
    }
    case "unlock":
      if (session === undefined || session !== change.session) return { kind: "refused" };
      return next(held, { value, flags, lockIndex });
    default:
      return change satisfies never;
  }
}

export type HeldKey = Omit<KvRecord, "key"> & { readonly modifyIndex: number };

function next(held: HeldKey | undefined, record: Omit<KvRecord, "key">): KvDecision {
  const isSame =
    held !== undefined &&
    held.flags === record.flags &&
    held.lockIndex === record.lockIndex &&
    held.session === record.session &&
    held.lease === record.lease &&
    Buffer.compare(held.value, record.value) === 0;
  return isSame ? { kind: "keep" } : { kind: "write", record };
}
