/**
 * What may be written to the registry's part of the store. A write resolves when it is durable and applied
 * to the registry of this process; a write that changes nothing makes no revision and wakes nobody.
 */

import type { HistoryRule } from "./history/history-model.ts";
import type {
  CheckRecord,
  CheckStatus,
  CoordinateRecord,
  EventEntry,
  EventRecord,
  NodeRecord,
  QueryRecord,
  ServiceRecord,
  SessionEntry,
} from "./model.ts";
import type { SessionSpec } from "./session/plan-session.ts";
import type { SnapshotRecord } from "./snapshot/snapshot-records.ts";
import type { TxnAnswer, TxnOperation } from "./txn/txn-model.ts";

/** What an agent knows to run on its node. */
export interface NodeSync {
  /** True: the catalog's other services and checks of the node go. False: only what is listed changes. */
  readonly full: boolean;
  readonly services: readonly ServiceRecord[];
  readonly checks: readonly CheckRecord[];
  /** Ids to remove; with `full` they may stay empty. */
  readonly removedServices?: readonly string[];
  readonly removedChecks?: readonly string[];
}

export interface WriteResult {
  /** Revision of the last transaction, or of the registry when nothing changed. */
  readonly revision: number;
  readonly changed: boolean;
}

export interface KvWriteResult {
  readonly revision: number;
  /** False: the compare-and-set index did not match, or the lock is not to be had; nothing was written. */
  readonly succeeded: boolean;
}

export interface KvPutOptions {
  readonly flags?: bigint;
  /** Write only if this is the key's ModifyIndex; 0: only if the key is absent. */
  readonly cas?: number;
  /** The key is gone so long after it was last written or renewed; without, it stays. Not with acquire or release. */
  readonly ttlMs?: number;
  /** Id of the session that locks the key; the value is written only if it does. */
  readonly acquire?: string;
  /** Id of the session that unlocks the key; the value is written only if it held it. */
  readonly release?: string;
}

export interface RegistryWrites {
  /** @throws REGISTRY_STALE_EPOCH when the catalog knows a later term of the node */
  upsertNode(node: NodeRecord): Promise<WriteResult>;
  /** Removes the node with its services, checks and liveness. */
  removeNode(node: string): Promise<WriteResult>;
  /**
   * Brings the catalog to what the agent says, by the least writes.
   * @throws REGISTRY_NODE_NOT_FOUND, REGISTRY_STALE_EPOCH
   */
  syncNode(node: string, epoch: number, sync: NodeSync): Promise<WriteResult>;
  /** @throws REGISTRY_NODE_NOT_FOUND */
  registerService(service: ServiceRecord, checks?: readonly CheckRecord[]): Promise<WriteResult>;
  /** Removes the instance and its checks; nothing happens when it is gone already. */
  deregisterService(node: string, id: string): Promise<WriteResult>;
  /** @throws REGISTRY_NODE_NOT_FOUND, REGISTRY_SERVICE_NOT_FOUND */
  registerCheck(check: CheckRecord): Promise<WriteResult>;
  deregisterCheck(node: string, id: string): Promise<WriteResult>;
  /** @throws REGISTRY_CHECK_NOT_FOUND */
  updateCheck(node: string, id: string, status: CheckStatus, output: string): Promise<WriteResult>;
  /** Marks the node alive for as long as the lease lives. @throws REGISTRY_NODE_NOT_FOUND, STORE_LEASE_NOT_FOUND */
  setLive(node: string, lease: string): Promise<WriteResult>;
  clearLive(node: string): Promise<WriteResult>;
  /** At most one of cas, acquire, release. @throws REGISTRY_VALUE_TOO_LARGE, REGISTRY_KEY_INVALID, REGISTRY_SESSION_INVALID */
  kvPut(key: string, value: Uint8Array, options?: KvPutOptions): Promise<KvWriteResult>;
  /** An absent key counts as deleted, also with `cas`. */
  kvDelete(key: string, options?: { readonly cas?: number }): Promise<KvWriteResult>;
  /**
   * All that a snapshot holds becomes this, in one revision. @throws REGISTRY_SNAPSHOT_INVALID, STORE_AMBIGUOUS,
   * STORE_LIMIT; nothing is changed then
   */
  restoreSnapshot(records: readonly SnapshotRecord[]): Promise<WriteResult>;
  /** Keys under the prefix keep a history from now on, or another. @throws REGISTRY_INVALID, REGISTRY_LIMIT */
  putHistoryRule(rule: HistoryRule): Promise<WriteResult>;
  /** What was kept goes within a minute. */
  deleteHistoryRule(prefix: string): Promise<WriteResult>;
  /**
   * Parts a lease from its key: the key goes if its time is over, the lease if no key has it. Nothing happens when
   * they are together.
   */
  endKeyTime(lease: string): Promise<void>;
  kvDeleteTree(prefix: string): Promise<KvWriteResult>;
  /**
   * All operations in order, or none. @throws REGISTRY_TXN_TOO_LARGE, REGISTRY_KEY_INVALID,
   * REGISTRY_VALUE_TOO_LARGE, REGISTRY_CONTENDED, STORE_LIMIT
   */
  txn(operations: readonly TxnOperation[]): Promise<TxnAnswer>;
  /** The id. @throws REGISTRY_SESSION_INVALID, REGISTRY_LIMIT */
  createSession(spec: SessionSpec): Promise<string>;
  /** Starts the session's time anew. @throws REGISTRY_SESSION_NOT_FOUND */
  renewSession(id: string): Promise<SessionEntry>;
  /** Ends the session and lets go of its keys; nothing happens when it is gone already. */
  endSession(id: string): Promise<void>;
  /** The id. @throws REGISTRY_INVALID when its name is another's, REGISTRY_LIMIT */
  createQuery(query: Omit<QueryRecord, "id">): Promise<string>;
  /** @throws REGISTRY_QUERY_NOT_FOUND, REGISTRY_INVALID */
  updateQuery(id: string, query: Omit<QueryRecord, "id">): Promise<void>;
  /** @throws REGISTRY_INVALID, REGISTRY_LIMIT, REGISTRY_NODE_NOT_FOUND */
  putCoordinate(coordinate: CoordinateRecord): Promise<WriteResult>;
  /** Nothing happens when it is gone already. */
  deleteQuery(id: string): Promise<void>;
  /** @throws REGISTRY_VALUE_TOO_LARGE, REGISTRY_INVALID */
  fireEvent(event: Omit<EventRecord, "id">): Promise<EventEntry>;
}
