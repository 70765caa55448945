/** The one door to Linux: the contract, the netlink kernel and its in-memory twin. */

export { describeOperation } from "./describe-operation.ts";
export type * from "./kernel.ts";
export { applyAll } from "./kernel.ts";
export { kernelLimits } from "./limits.ts";
export { MemoryKernel, type MemoryKernelOptions } from "./memory/index.ts";
export { type OpenKernelOptions, openKernel } from "./netlink/index.ts";
export type * from "./operation.ts";
export { refusedErrno } from "./refusal.ts";
export { addressKey, fdbKey, neighbourKey, normalRoute, routeKey, ruleKey } from "./rows.ts";
export { spreadMetric } from "./spread-metric.ts";
