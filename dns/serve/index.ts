/** The general path from a query's bytes to the reply's. */
export {
  type AnswerKeeper,
  type ClientFacts,
  Exchange,
  type ExchangeOptions,
  type Forwarder,
} from "./exchange.ts";
export { encodeShuffled, isTruncated, shuffled } from "./order.ts";
export { plainUdpBytesMax, type ReplyFacts, type Transport } from "./reply.ts";
