/** What both sides of the address plan refuse, in the same words. */
import type { Ip } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";

export function networkNotFound(action: string, name: string): FabricError {
  return new FabricError(
    "IPAM_NETWORK_NOT_FOUND",
    `${action} network "${name}": there is none of that name; create it with \`heddle network create\``,
    { details: { network: name } },
  );
}

export function reservedAddress(network: string, ip: Ip): FabricError {
  return new FabricError(
    "IPAM_ADDRESS_RESERVED",
    `take address ${ip} of network "${network}": it is an edge, the gateway or an excluded address of its pool; ask for another`,
    { details: { network, ip } },
  );
}

export function inUse(ip: Ip, network: string, why: string, node?: string): FabricError {
  return new FabricError(
    "IPAM_ADDRESS_IN_USE",
    `take address ${ip} of network "${network}": ${why}; ask for another, or release it there first`,
    { details: { network, ip, ...(node === undefined ? {} : { node }) } },
  );
}
