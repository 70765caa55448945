/** What the main thread and the disk thread tell each other. Plain values only: they cross by structured clone. */
import type { ErrorCode } from "../../errors/index.ts";

export interface ItemRow {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: string | null;
}

export interface LeaseRow {
  readonly id: string;
  readonly ttlMs: number;
}

/** The net of a group of transactions. A key is put or deleted; a lease may be granted and ended, in this order. */
export interface Changes {
  readonly revision: number;
  readonly puts: readonly ItemRow[];
  readonly deletes: readonly string[];
  readonly leasesGranted: readonly LeaseRow[];
  readonly leasesEnded: readonly string[];
}

/** What decides whether an acknowledged commit survives, as the database itself reports it. */
export interface Durability {
  readonly journalMode: string;
  readonly synchronous: number;
  readonly lockingMode: string;
}

export interface Opened {
  readonly id: string;
  readonly revision: number;
  readonly leases: readonly LeaseRow[];
  readonly durability: Durability;
}

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface DiskOptions {
  readonly path: string;
  readonly fileBytesMax: number;
  /** Id of the store if the file has to be made. */
  readonly newId: string;
}

export type DiskRequest = { readonly kind: "commit"; readonly changes: Changes } | { readonly kind: "close" };

export type DiskReply =
  | { readonly kind: "rows"; readonly rows: readonly ItemRow[] }
  | { readonly kind: "opened"; readonly opened: Opened }
  | { readonly kind: "committed" }
  /** `undone`: the transaction is certainly not in the file, and the next one may succeed. */
  | { readonly kind: "failed"; readonly failure: Failure; readonly undone: boolean }
  | { readonly kind: "closed" };
