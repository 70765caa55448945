/**
 * How large a packet of a container may be. VXLAN puts an outer Ethernet-less IP header (20 or 40 bytes), UDP
 * (8), VXLAN (8) and the inner Ethernet header (14) around it: 50 bytes over IPv4, 70 over IPv6 (RFC 7348
 * section 5). Every endpoint gets the size that fits the worst path it may take, so that no path change
 * can make a connection hang on a lost "fragmentation needed".
 */
import { type Family, familyOf, type Ip } from "../addr/index.ts";

const overheadBytes = { 4: 50, 6: 70 } as const;
/** The least that IPv6 needs (RFC 8200 section 5). */
export const mtuMin = 1280;

/** The family of the outer header: IPv4 wherever the node has it. Undefined without any underlay address. */
export function outerFamily(underlay: readonly Ip[]): Family | undefined {
  const families = underlay.map(familyOf);
  return families.includes(4) ? 4 : families[0];
}

/** MTU inside of the fabric for an underlay link of `underlayMtu` whose node has these underlay addresses. */
export function fabricMtu(underlayMtu: number, underlay: readonly Ip[]): number {
  return Math.max(mtuMin, underlayMtu - overheadBytes[outerFamily(underlay) ?? 6]);
}
