/**
 * One door to the registry: nodes, services, checks and the key/value store as pure state over store events.
 * The classes behind these contracts are `Registry.open({ store, clock, datacenter, signal })`, which implements
 * RegistryReads, and `new RegistryWriter({ store, registry, clock })`, which implements RegistryWrites.
 */

export {
  anonymousTokenId,
  type PolicyEntry,
  type TokenEntry,
} from "./acl/acl-model.ts";
export type { AclReads } from "./acl/acl-state.ts";
export { AclWriter, type PolicySpec, type TokenSpec } from "./acl/acl-writer.ts";
export { allRights, Rights, type RightsSpec } from "./acl/rights.ts";
export type { Access, Resource } from "./acl/rule.ts";
export { TokenRights } from "./acl/token-rights.ts";
export { type AgentDelta, AgentState, type AgentStateOptions } from "./agent/agent-state.ts";
export {
  type AgentLimits,
  type CheckDefinition,
  type CheckProbe,
  defaultAgentLimits,
  type ServiceDefinition,
} from "./agent/definition.ts";
export { type NodeSpec, planNode } from "./catalog/plan-node.ts";
export type { RegisteredCheck } from "./catalog/plan-registration.ts";
export { planCheck, planService } from "./catalog/plan-registration.ts";
export {
  type Change,
  type ChangeAction,
  type ChangeBatch,
  type ChangeSubject,
  changePath,
} from "./change/change.ts";
export type { ChangeCursor, ChangePosition } from "./change/change-log.ts";
export { type Coordinate, coordinateDimensions, distanceSeconds } from "./coordinate/coordinate.ts";
export { nearestFirst, type QuerySource, sourceNode } from "./coordinate/nearness.ts";
export { formatGoDuration, parseGoDuration } from "./go-duration.ts";
export { HistoryKeeper, type HistoryKeeperOptions } from "./history/history-keeper.ts";
export {
  type HistoryRule,
  historyAgeDefaultMs,
  historyVersionsDefault,
  type KvVersion,
} from "./history/history-model.ts";
export { kvAt } from "./history/history-writer.ts";
export {
  catalogPrefix,
  checkKey,
  checksPrefix,
  kvKey,
  kvPrefix,
  liveKey,
  livePrefix,
  nodeChecksPrefix,
  nodeKey,
  nodeServicesPrefix,
  nodesPrefix,
  serviceKey,
  servicesPrefix,
} from "./keys.ts";
export { keepKeyTimes } from "./kv/kv-keeper.ts";
export { registryLimits } from "./limits.ts";
export {
  type CheckEntry,
  type CheckRecord,
  type CheckStatus,
  type CoordinateEntry,
  type CoordinateRecord,
  containerNameKind,
  containerServiceName,
  type EventEntry,
  type EventRecord,
  type FabricIdentity,
  type Indexes,
  isMaintenanceCheck,
  type KvEntry,
  type KvRecord,
  livenessCheckId,
  type NamedPort,
  type NodeEntry,
  type NodeRecord,
  nodeMaintenanceCheck,
  parseContainerService,
  primaryNameTag,
  type QueryEntry,
  type QueryRecord,
  type QueryTemplate,
  type ServiceEntry,
  type ServiceInstance,
  type ServiceRecord,
  type SessionBehavior,
  type SessionEntry,
  type SessionRecord,
  serviceMaintenancePrefix,
  type TaggedAddress,
  type Weights,
  worstStatus,
} from "./model.ts";
export { queryTopic, runQuery, selectInstances } from "./query/run-query.ts";
export type { RegistryChange, RegistryReads, RegistryStatus, StoreContact } from "./reads.ts";
export { LinearRegex } from "./regex/linear-regex.ts";
export { Registry, type RegistryOptions } from "./registry.ts";
export { RegistryWriter, type RegistryWriterOptions } from "./registry-writer.ts";
export { isResourcePath, providesMeta } from "./resource/resource-paths.ts";
export type { SessionSpec } from "./session/plan-session.ts";
export { keepSessions } from "./session/session-keeper.ts";
export { isSnapshotRecord, type SnapshotRecord, snapshotRecords } from "./snapshot/snapshot-records.ts";
export { withNames } from "./snapshot/snapshot-writer.ts";
export {
  type CatalogVerb,
  catalogVerbs,
  type KvVerb,
  kvVerbs,
  type TxnAnswer,
  type TxnOperation,
  type TxnOutcome,
} from "./txn/txn-model.ts";
export { type Topic, topicKey } from "./wait/topic.ts";
export type { Waiter } from "./wait/waiters.ts";
export type { KvPutOptions, KvWriteResult, NodeSync, RegistryWrites, WriteResult } from "./writes.ts";
