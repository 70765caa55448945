/**
 * The gateway that another plugin (bridge, ptp) gives to the containers it asks addresses for. A network whose
 * pools name one has that, the same on every node. Else each node takes one address of each pool for itself,
 * so that its bridge can have it and no container anywhere does; it is an endpoint as any other, and stays.
 */
import { familyOf, type Ip } from "../../addr/index.ts";
import type {
  EndpointAddress,
  EndpointRef,
  EndpointService,
  NetworkDirectory,
  ReadyEndpoint,
} from "../endpoint/index.ts";
import type { DelegatedAddress } from "./result.ts";

/** No runtime can use this id: it begins with a dot. */
const gatewayContainer = ".gateway";

export function isNodeGateway({ containerId }: EndpointRef): boolean {
  return containerId === gatewayContainer;
}

interface Parts {
  readonly endpoints: EndpointService;
  readonly networks: NetworkDirectory;
}

/** @throws what attaching throws, when this node's gateway cannot have an address */
export async function withGateways(
  parts: Parts,
  endpoint: ReadyEndpoint,
): Promise<readonly DelegatedAddress[]> {
  const { network } = endpoint.request;
  const pools = parts.networks.network(network)?.pools ?? [];
  const named = ({ pool }: EndpointAddress) => pools.find(({ cidr }) => cidr === pool)?.gateway;
  const lacks = endpoint.addresses.some((address) => !named(address));
  const own = lacks ? await nodeGateways(parts.endpoints, network) : [];
  return endpoint.addresses.map((address) => {
    return { ...address, gateway: named(address) ?? sameLink(own, address) };
  });
}

function sameLink(own: readonly EndpointAddress[], { ip, pool }: EndpointAddress): Ip | undefined {
  return own.find((each) => each.pool === pool && familyOf(each.ip) === familyOf(ip))?.ip;
}

async function nodeGateways(
  endpoints: EndpointService,
  network: string,
): Promise<readonly EndpointAddress[]> {
  const { addresses } = await endpoints.attach({
    containerId: gatewayContainer,
    ifname: network,
    network,
    origin: { plugin: "cni", name: gatewayContainer },
    form: { kind: "addresses" },
    addresses: [],
  });
  return addresses;
}
