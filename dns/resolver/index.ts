/** Answers from the catalog: what is asked of it, which instances may be named, and which records say so. */
export {
  type CatalogChange,
  type CatalogReader,
  changeKey,
  type FailingCheck,
  type InstanceStatus,
  instanceKey,
  type MaybePromise,
  type NodeAnswer,
  type ReverseTarget,
  type ServiceInstance,
} from "./catalog-reader.ts";
export { DampedCatalog } from "./damped-catalog.ts";
export { type DampingPolicy, dampingDefaults } from "./flap-damping.ts";
export { type HealthPolicy, type Judgement, judgeInstances, type Verdict } from "./instances.ts";
export { MemoryCatalog } from "./memory-catalog.ts";
export { negative, type Resolution } from "./resolution.ts";
export { Resolver, type ResolverOptions, type SubsetPolicy } from "./resolver.ts";
export type { TtlPolicy } from "./ttl.ts";
