/** Keeps the kernel equal to the plan. */
export { attachmentsMaxDefault } from "./attachments.ts";
export type { NodePlan } from "./node-pass.ts";
export { type PaceLimits, paceDefaults } from "./pace.ts";
export {
  type ReconcileReport,
  Reconciler,
  type ReconcilerLimits,
  type ReconcilerOptions,
  type ReconcilerStatus,
  reconcilerDefaults,
} from "./reconciler.ts";
