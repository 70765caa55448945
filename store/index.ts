/** One door to the store: the contract and its implementations. */
export type * from "./store.ts";
