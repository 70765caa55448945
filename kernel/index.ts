/** The one door to Linux: the contract, the netlink kernel and its in-memory twin. */
export type * from "./kernel.ts";
export { applyAll } from "./kernel.ts";
export type * from "./operation.ts";
