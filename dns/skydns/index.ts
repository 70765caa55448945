/** Answers from SkyDNS's records in the key/value store. */
export { SkyDnsDialect } from "./skydns-dialect.ts";
export { type StubZone, StubZones } from "./stub-zones.ts";
