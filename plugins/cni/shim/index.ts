/** The plugin binary that container runtimes start. */
export { answerTimeoutSeconds, requestBytesMax } from "./program.ts";
export { buildShim, type ShimOptions } from "./shim.ts";
