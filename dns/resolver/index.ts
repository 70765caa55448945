/** Answers from the catalog: what is asked of it, which instances may be named, and which records say so. */
export { addressAnswers, addressRecord, isAddressType } from "./addresses.ts";
export {
  type CatalogChange,
  type CatalogReader,
  changeKey,
  type FailingCheck,
  type InstanceStatus,
  instanceKey,
  type KeyTree,
  type MaybePromise,
  type NodeAnswer,
  type QueryAnswer,
  type ReverseTarget,
  type ServiceInstance,
} from "./catalog-reader.ts";
export { DampedCatalog } from "./damped-catalog.ts";
export type { ChosenInstances, Dialect, DialectCatalog, DialectQuestion, Pointers } from "./dialect.ts";
export { type DampingPolicy, dampingDefaults } from "./flap-damping.ts";
export {
  type HealthPolicy,
  isNamed,
  type Judgement,
  judgeInstances,
  placeOf,
  usableInstances,
  type Verdict,
} from "./instances.ts";
export { MemoryCatalog } from "./memory-catalog.ts";
export { textStrings } from "./meta.ts";
export type { Standpoint } from "./nearness.ts";
export { answer, found, negative, type Resolution, record } from "./resolution.ts";
export { type Choice, Resolver, type ResolverOptions, type SubsetPolicy } from "./resolver.ts";
export { serviceRecords } from "./service.ts";
export { textHash } from "./stable-subset.ts";
export { serviceTtl, type TtlPolicy } from "./ttl.ts";
export { nsRecord } from "./zone.ts";
