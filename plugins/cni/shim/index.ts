/** The plugin binary that container runtimes start. */
export { answerTimeoutSeconds, requestBytesMax } from "./program.ts";
export { buildShim, isShim, type ShimOptions } from "./shim.ts";
