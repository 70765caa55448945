/** Names that are not ours: asking upstream name servers, and keeping what they said. */
export { AnswerCache, type AnswerCacheLimits, cacheKey } from "./answer-cache.ts";
export {
  type ForwarderOptions,
  type ForwarderStats,
  type ForwardZone,
  type StubSource,
  UpstreamForwarder,
  type UpstreamStats,
} from "./forwarder.ts";
export { parseResolvConf } from "./resolv-conf.ts";
export { parseForwardZone, parseNameServer } from "./server-spec.ts";
