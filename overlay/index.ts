/** What the kernel should hold for this node, and how it gets there: endpoints, plan, reconciliation. */

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
export { type HostState, type HostStateJournal, underlayMtu } from "./host/index.ts";
export { fabricMtu } from "./mtu.ts";
export { type NodeObserved, observe } from "./observed/index.ts";
export { planNode } from "./plan/index.ts";
export type { Problem } from "./problem.ts";
export {
  attachmentsMaxDefault,
  type NodePlan,
  type PaceLimits,
  paceDefaults,
  type ReconcileReport,
  Reconciler,
  type ReconcilerLimits,
  type ReconcilerOptions,
  type ReconcilerStatus,
  reconcilerDefaults,
} from "./reconcile/index.ts";
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
} from "./row/index.ts";
