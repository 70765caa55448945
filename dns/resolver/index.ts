/** Answers from the catalog: what is asked of it, which instances may be named, and which records say so. */
export {
  type CatalogChange,
  type CatalogReader,
  changeKey,
  type InstanceStatus,
  type MaybePromise,
  type NodeAnswer,
  type ReverseTarget,
  type ServiceInstance,
} from "./catalog-reader.ts";
export type { HealthPolicy } from "./instances.ts";
export { MemoryCatalog } from "./memory-catalog.ts";
export { negative, type Resolution } from "./resolution.ts";
export { Resolver, type ResolverOptions } from "./resolver.ts";
export type { TtlPolicy } from "./ttl.ts";
