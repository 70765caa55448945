/**
 * How Heddle marks what is its own in the kernel, and the addresses that are the same on every node. A row
 * without one of these marks is never changed or deleted: routes carry protocol 72, links an alias
 * `heddle:…`, nftables objects live in table `inet heddle`; neighbour and FDB rows cannot be marked and
 * belong to Heddle exactly when their device does.
 */
import { createHash } from "node:crypto";
import {
  cidrContains,
  cidrFromIp,
  type Family,
  type Ip,
  type Ipv4,
  type Ipv6,
  ipAdd,
  parseIpv4,
  parseIpv6,
} from "../../addr/index.ts";
import type { Link, NftTopic } from "../../kernel/index.ts";

/** rtm_protocol of every route made here. */
export const routeProtocol = 72;
export const mainTable = 254;
export const scopeUniverse = 0;
export const scopeLink = 253;
export const scopeHost = 254;
/** Below any real route of the same prefix, so that a pool which is one single block still works. */
export const poolMetric = 72_000;

export const vxlanDevice = "heddle0";
export const vxlanAlias = "heddle:vxlan";
export const hostPrefix = "hd";
export const peerPrefix = "hp";
export const aliasMark = "heddle:";
export const nftFamily = "inet";
export const nftTableName = "heddle";
export const nftTopic: NftTopic = `nft ${nftFamily} ${nftTableName}`;

/** What every container has as its gateway, and where the DNS listener of every node is. */
export const gateway4: Ipv4 = parseIpv4("169.254.1.1");
export const gateway6: Ipv6 = parseIpv6("fe80::1");

export function gatewayOf(family: Family): Ip {
  return family === 4 ? gateway4 : gateway6;
}

/** Gateways of a handed-over interface: 169.254.1.1, 169.254.1.2, …; 1 is the gateway of all others. */
export const gatewaysMax = 254;

/** `number` is 1 to `gatewaysMax`. */
export function numberedGateway(family: Family, number: number): Ip {
  return ipAdd(gatewayOf(family), number - 1);
}

const gatewayRanges = [cidrFromIp(gateway4, 24), cidrFromIp(gateway6, 120)] as const;

export function isGateway(ip: Ip): boolean {
  return gatewayRanges.some((range) => cidrContains(range, ip));
}

/** IFALIASZ is 256 with the final zero; container ids of the field have 64 characters. */
const aliasMax = 255;

/** `hd` and 12 hex digits of a hash: the same for the same interface after a restart, 14 characters. */
export function hostInterfaceName(containerId: string, ifname: string): string {
  const hash = createHash("sha256").update(`${containerId}\0${ifname}`).digest("hex");
  return `${hostPrefix}${hash.slice(0, 12)}`;
}

/** Where the peer of that host end waits to be taken into a sandbox. */
export function peerInterfaceName(hostIfname: string): string {
  return `${peerPrefix}${hostIfname.slice(hostPrefix.length)}`;
}
const hostName = new RegExp(`^${hostPrefix}[0-9a-f]{12}$`);

export function endpointAlias(containerId: string, ifname: string): string {
  return `${aliasMark}${containerId.slice(0, aliasMax - aliasMark.length - ifname.length - 1)}/${ifname}`;
}

export function isOurs(link: Link): boolean {
  return link.alias?.startsWith(aliasMark) === true;
}

/** True for the host end of a container's interface. */
export function isHostEnd(link: Link): boolean {
  if (link.detail.kind !== "veth" || !link.name.startsWith(hostPrefix)) return false;
  return isOurs(link) || isHalfMade(link);
}

/** Linux takes the alias only after the link was made, and the process may be killed in between: the name tells. */
function isHalfMade({ name, alias, up }: Link): boolean {
  return !alias && !up && hostName.test(name);
}
