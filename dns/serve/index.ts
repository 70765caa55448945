/** The general path from a query's bytes to the reply's, and the rules that the fast path shares with it. */
export { ClientView, CookieJar, type CookiePolicy, cookieBytes, isCookieLength } from "./cookie.ts";
export { clientView } from "./edns-options.ts";
export {
  type AnswerKeeper,
  type ClientFacts,
  Exchange,
  type ExchangeOptions,
  type Forwarded,
  type Forwarder,
  staleNotice,
} from "./exchange.ts";
export { type ExemptRange, exemptRanges } from "./exempt.ts";
export { encodeShuffled, fixedOrder, isTruncated } from "./order.ts";
export { RateGate } from "./rate-gate.ts";
export type { RateTerms } from "./rate-limit.ts";
export {
  type ExtendedError,
  extendedError,
  plainUdpBytesMax,
  type ReplyFacts,
  replyBytesMax,
  type Transport,
} from "./reply.ts";
export { sipKeyBytes } from "./siphash.ts";
