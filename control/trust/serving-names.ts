/**
 * What an HTTPS listener's certificate is good for: names that clients of Consul's expect, and addresses. The authority
 * writes it of what the catalog has of the node that asks; its request has no say in it.
 */
import { type Ip, isHostLabel } from "../../addr/index.ts";

/** Subject alternative names, the first one also the subject. */
export interface ServingNames {
  readonly names: readonly string[];
  readonly addresses: readonly Ip[];
}

const domains = ["consul", "heddle"];
const loopback = ["127.0.0.1", "::1"] as readonly string[] as readonly Ip[];

/** Of a node's agent: as in DNS, its addresses of the catalog. */
export function namesOfNode(node: string, datacenter: string, addresses: readonly Ip[]): ServingNames {
  const name = node.toLowerCase();
  const ofNode = isHostLabel(name)
    ? [
        name,
        ...domains.flatMap((domain) => [`${name}.node.${domain}`, `${name}.node.${datacenter}.${domain}`]),
      ]
    : [];
  return { names: [...ofNode, "localhost"], addresses: [...loopback, ...addresses] };
}

/** Of a server: `server.DC.consul`, as Consul's own have it, and what the operator calls it. */
export function namesOfServer(
  datacenter: string,
  names: readonly string[],
  addresses: readonly Ip[],
): ServingNames {
  const ofServers = domains.map((domain) => `server.${datacenter}.${domain}`);
  return { names: [...ofServers, "localhost", ...names], addresses: [...loopback, ...addresses] };
}

export function joinNames(one: ServingNames, other: ServingNames): ServingNames {
  return {
    names: [...new Set([...one.names, ...other.names])],
    addresses: [...new Set([...one.addresses, ...other.addresses])],
  };
}
