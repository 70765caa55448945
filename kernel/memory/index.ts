/** The in-memory twin of Linux. */
export { MemoryKernel, type MemoryKernelOptions } from "./memory-kernel.ts";
