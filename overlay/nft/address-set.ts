/** Named sets of address blocks. */
import {
  type Cidr,
  cidrContainsCidr,
  cidrFamily,
  cidrFirst,
  cidrPrefix,
  type Family,
  familyBits,
} from "../../addr/index.ts";
import { type NftObject, place } from "./syntax.ts";

export function addressSet(name: string, family: Family, cidrs: readonly Cidr[]): NftObject {
  const elem = widest(cidrs.filter((cidr) => cidrFamily(cidr) === family)).map(cidrElement);
  const set = { ...place, name, type: family === 4 ? "ipv4_addr" : "ipv6_addr", flags: ["interval"] };
  return { set: elem.length === 0 ? set : { ...set, elem } };
}

/** As nft lists it. */
export function cidrElement(cidr: Cidr): unknown {
  return cidrPrefix(cidr) === familyBits(cidrFamily(cidr))
    ? cidrFirst(cidr)
    : { prefix: { addr: cidrFirst(cidr), len: cidrPrefix(cidr) } };
}

/** Without blocks that lie in another one: an interval set refuses overlaps. */
function widest(cidrs: readonly Cidr[]): Cidr[] {
  const unique = [...new Set(cidrs)];
  return unique.filter((cidr) => !unique.some((outer) => outer !== cidr && cidrContainsCidr(outer, cidr)));
}
