/**
 * What a node must not forget: its term, blocks, static claims, leases, and the addresses that rest. The
 * state of the allocator is these records and nothing else (but for times), so a restart is a replay.
 */
import type { Cidr, Ip } from "../../addr/index.ts";
import type { BootInstant } from "../fence.ts";
import type { AddressLease, BlockClaim, LeaseOwner, StaticClaim } from "../plan/index.ts";

export type JournalRecord =
  | {
      readonly kind: "term";
      readonly epoch: number;
      readonly reclaimAfterMs: number;
      /** The last renewal, when the node sent it. */
      readonly renewed?: BootInstant;
    }
  /** `releasing`: being given back, not to be used any more. */
  | { readonly kind: "block"; readonly claim: BlockClaim; readonly releasing: boolean }
  | { readonly kind: "static"; readonly claim: StaticClaim; readonly releasing: boolean }
  | { readonly kind: "lease"; readonly lease: AddressLease }
  /** A released address in quarantine. How long it still rests is not stored: after a restart it starts anew. */
  | {
      readonly kind: "rest";
      readonly network: string;
      readonly pool: Cidr;
      readonly ip: Ip;
      readonly owner: LeaseOwner;
    };

export type JournalChange =
  | { readonly op: "put"; readonly record: JournalRecord }
  | { readonly op: "drop"; readonly kind: "block" | "static" | "lease" | "rest"; readonly id: Cidr | Ip }
  /** Drops all records but the term. */
  | { readonly op: "clear" };

export interface LeaseJournal {
  load(): Promise<readonly JournalRecord[]>;
  /**
   * All changes or none of them, on disk when it resolves. When it rejects either may be the case, and the
   * caller loads again.
   */
  commit(changes: readonly JournalChange[]): Promise<void>;
}
