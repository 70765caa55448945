/**
 * Addresses and names as branded, canonical values. A value of one of these types has been parsed: two equal
 * addresses are the same string, so they compare with `===`, key a Map and pass through JSON unchanged.
 * One code path for both families: `Ip` is `Ipv4 | Ipv6`, and `familyOf` tells which.
 */
export {
  addressCount,
  addressOffset,
  type Cidr,
  cidrContains,
  cidrContainsCidr,
  cidrFamily,
  cidrFirst,
  cidrFromIp,
  cidrLast,
  cidrNth,
  cidrOverlaps,
  cidrPrefix,
  hostCidr,
  type IpWithPrefix,
  parseCidr,
  parseIpWithPrefix,
  subnetAt,
  subnetCount,
  subnets,
} from "./cidr.ts";
export { compareFqdn, type Fqdn, fqdnLabels, isHostLabel, parseFqdn, reverseName } from "./fqdn.ts";
export {
  compareIp,
  type Family,
  familyBits,
  familyOf,
  type Ip,
  type Ipv4,
  type Ipv6,
  ipAdd,
  ipFromBigInt,
  ipFromBytes,
  ipToBigInt,
  ipToBytes,
  isIp,
  isLinkLocal,
  isLoopback,
  parseIp,
  parseIpv4,
  parseIpv6,
  parseZonedIp,
  type ZonedIp,
} from "./ip.ts";
export { linkLocalFromMac, type Mac, macFromBytes, macToBytes, parseMac, privateMac } from "./mac.ts";
export { parseVni, type Vni, vniMax } from "./vni.ts";
