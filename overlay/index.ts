/** What the kernel should hold for this node, and how it gets there: endpoints, plan, reconciliation. */

export { attachmentsMaxDefault } from "./attachments.ts";
export type {
  BackendChoice,
  FabricNetwork,
  FabricSelf,
  NodeDesired,
  PublishedPort,
  RemoteNode,
  RemotePrefix,
} from "./desired.ts";
export {
  type AttachedEndpoint,
  attachEndpoint,
  checkEndpoint,
  type DetachTarget,
  detachEndpoint,
  type EndpointSpec,
  type HandOver,
  LinkReaper,
  type LinkReaperLimits,
  linkReaperDefaults,
  withdrawEndpoint,
} from "./endpoint/index.ts";
export type { HostState, HostStateJournal } from "./host-state.ts";
export { fabricMtu } from "./mtu.ts";
export type { NodePlan } from "./node-pass.ts";
export { type NodeObserved, observe } from "./observed.ts";
export {
  aliasMark,
  gateway4,
  gateway6,
  gatewayOf,
  gatewaysMax,
  hostInterfaceName,
  hostPrefix,
  isGateway,
  isHostEnd,
  nftFamily,
  nftTableName,
  numberedGateway,
  peerInterfaceName,
  routeProtocol,
  vxlanDevice,
} from "./ownership.ts";
export { type PaceLimits, paceDefaults } from "./pace.ts";
export { planNode } from "./plan.ts";
export type { Problem } from "./problem.ts";
export {
  type ReconcileReport,
  Reconciler,
  type ReconcilerLimits,
  type ReconcilerOptions,
  type ReconcilerStatus,
  reconcilerDefaults,
} from "./reconciler.ts";
export { underlayMtu } from "./underlay.ts";
