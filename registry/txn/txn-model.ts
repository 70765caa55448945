/** Transactions over keys and catalog, as Consul's `/v1/txn` has them: all operations or none, in order. */
import type {
  CheckEntry,
  CheckRecord,
  KvEntry,
  NodeEntry,
  NodeRecord,
  ServiceEntry,
  ServiceRecord,
} from "../model.ts";

export const txnOperationsMax = 64;

export const kvVerbs = [
  "set",
  "delete",
  "delete-cas",
  "delete-tree",
  "cas",
  "lock",
  "unlock",
  "get",
  "get-or-empty",
  "get-tree",
  "check-index",
  "check-session",
  "check-not-exists",
] as const;
export type KvVerb = (typeof kvVerbs)[number];

export const catalogVerbs = ["get", "set", "cas", "delete", "delete-cas"] as const;
export type CatalogVerb = (typeof catalogVerbs)[number];

export interface KvOperation {
  readonly kind: "kv";
  readonly verb: KvVerb;
  /** The prefix, for trees. */
  readonly key: string;
  readonly value: Uint8Array;
  readonly flags: bigint;
  /** ModifyIndex that is expected; 0: absent. */
  readonly index: number;
  readonly session: string;
}

interface CatalogOperation {
  readonly verb: CatalogVerb;
  /** ModifyIndex that is expected; 0: absent. */
  readonly index: number;
}

export type NodeOperation = CatalogOperation & { readonly kind: "node"; readonly record: NodeRecord };
export type ServiceOperation = CatalogOperation & {
  readonly kind: "service";
  readonly record: ServiceRecord;
};
export type CheckOperation = CatalogOperation & { readonly kind: "check"; readonly record: CheckRecord };

export type TxnOperation = KvOperation | NodeOperation | ServiceOperation | CheckOperation;

/** What an operation read or wrote; the value of a written key is left empty, as in Consul. */
export type TxnOutcome =
  | { readonly kind: "kv"; readonly entry: KvEntry }
  | { readonly kind: "node"; readonly entry: NodeEntry }
  | { readonly kind: "service"; readonly entry: ServiceEntry }
  | { readonly kind: "check"; readonly entry: CheckEntry };

export interface TxnError {
  /** Of the operation, from 0. */
  readonly at: number;
  readonly what: string;
}

export interface TxnAnswer {
  readonly revision: number;
  readonly outcomes: readonly TxnOutcome[];
  /** Not empty: nothing was written. */
  readonly errors: readonly TxnError[];
}
