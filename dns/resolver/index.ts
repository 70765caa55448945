/** Answers from the catalog: what is asked of it, which instances may be named, and which records say so. */
export { addressAnswers, addressRecord, isAddressType } from "./answers/addresses.ts";
export { textStrings } from "./answers/meta.ts";
export { answer, found, negative, type Resolution, record } from "./answers/resolution.ts";
export { serviceRecords } from "./answers/service.ts";
export { serviceTtl, type TtlPolicy } from "./answers/ttl.ts";
export { nsRecord } from "./answers/zone.ts";
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
} from "./catalog/catalog-reader.ts";
export { DampedCatalog } from "./catalog/damped-catalog.ts";
export { type DampingPolicy, dampingDefaults } from "./catalog/flap-damping.ts";
export { MemoryCatalog } from "./catalog/memory-catalog.ts";
export {
  type HealthPolicy,
  isNamed,
  type Judgement,
  judgeInstances,
  placeOf,
  usableInstances,
  type Verdict,
} from "./choice/instances.ts";
export type { Standpoint } from "./choice/nearness.ts";
export { textHash } from "./choice/stable-subset.ts";
export type { ChosenInstances, Dialect, DialectCatalog, DialectQuestion, Pointers } from "./dialect.ts";
export { Resolver } from "./resolver.ts";
export type { Choice, ResolverOptions, SubsetPolicy } from "./resolver-options.ts";
