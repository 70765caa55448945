/** The store: its contract, its engines and how a specification opens one. */
export type { ConsulStore, ConsulStoreOptions } from "./consul/consul-store.ts";
export { type ConsulLimits, consulLimits } from "./consul/limits.ts";
export { defaultStoreLimits, type StoreLimits } from "./core/limits.ts";
export type { StoreOptions } from "./core/options.ts";
export { RevisionWaiters } from "./core/revision-waiters.ts";
export { SharedRound } from "./core/shared-round.ts";
export { Election, type ElectionOptions, electionTtlMs, type Work } from "./election.ts";
export { defaultStorePrefix, type EngineAccess } from "./engine-access.ts";
export type { EtcdStore, EtcdStoreOptions } from "./etcd/etcd-store.ts";
export { type EtcdLimits, etcdLimits } from "./etcd/limits.ts";
export { MemoryStore } from "./memory/memory-store.ts";
export { isShared, openStore } from "./open-store.ts";
export { SqliteStore } from "./sqlite/sqlite-store.ts";
export type * from "./store.ts";
