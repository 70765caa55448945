/** The store: its contract, its engines and how a specification opens one. */
export { defaultStoreLimits, type StoreLimits } from "./core/limits.ts";
export { MemoryStore, type StoreOptions } from "./memory/memory-store.ts";
export type * from "./store.ts";
