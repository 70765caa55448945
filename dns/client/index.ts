/** Asking other name servers. */
export { type ExchangeTerms, exchangeTcp, exchangeUdp, type NameServer } from "./exchange.ts";
export { type DnsQuery, queryDns, queryTimeoutMsDefault } from "./query.ts";
