/** What the kernel carries now. */
export { type NodeObserved, observe } from "./observed.ts";
export { rowsOf } from "./observed-rows.ts";
export { PathCache } from "./path-cache.ts";
