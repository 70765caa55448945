/**
 * DNS: wire codec, Consul's naming, answers from the catalog, forwarding, UDP and TCP listeners. The catalog
 * itself is elsewhere and is read through `CatalogReader`.
 */
export { type DnsQuery, type NameServer, queryDns } from "./client/index.ts";
export type { DnsStats } from "./counters.ts";
export type { ExplainQuestion, Explanation } from "./explain/index.ts";
export { parseForwardZone, parseNameServer } from "./forward/index.ts";
export { type DnsLimits, dnsLimitDefaults } from "./limits.ts";
export type { Endpoint } from "./listen/index.ts";
export {
  MesosDirectory,
  type MesosDirectoryOptions,
  type MesosServer,
  type MesosServers,
} from "./mesos/index.ts";
export type { DialectOptions, DnsServerOptions, ForwardOptions, LogLevel, TlsOptions } from "./options.ts";
export type {
  CatalogChange,
  CatalogReader,
  DampingPolicy,
  DialectCatalog,
  FailingCheck,
  HealthPolicy,
  InstanceStatus,
  KeyTree,
  MaybePromise,
  NodeAnswer,
  QueryAnswer,
  ReverseTarget,
  ServiceInstance,
  Standpoint,
  SubsetPolicy,
  TtlPolicy,
} from "./resolver/index.ts";
export { changeKey, DampedCatalog, dampingDefaults, MemoryCatalog } from "./resolver/index.ts";
export { type DnsServer, dnsServer } from "./server.ts";
export { type DnsRecord, type Message, type Rdata, rcodeName, typeName, typeNumber } from "./wire/index.ts";
