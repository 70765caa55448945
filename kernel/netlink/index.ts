/** Linux behind the contract. */
export { type OpenKernelOptions, openKernel } from "./open-kernel.ts";
