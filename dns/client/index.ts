/** Asking other name servers. */
export { type ExchangeTerms, exchangeTcp, exchangeUdp, type NameServer } from "./exchange.ts";
export { type DnsQuery, queryDns, queryTimeoutMsDefault } from "./query.ts";
export { StreamClient, type StreamTerms } from "./stream.ts";
