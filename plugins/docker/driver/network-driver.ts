/**
 * Docker's NetworkDriver: Docker networks as views on fabric networks, endpoints as handed-over interfaces.
 *
 * CreateEndpoint notes what Docker will not say again; Join makes the pair and answers the peer's name, which
 * Docker moves into the sandbox; Leave takes the kernel's rows away; DeleteEndpoint forgets. Each may come twice,
 * late, or never.
 *
 * Interfaces of one sandbox have different gateways (169.254.1.1, .2, …), as Docker adds a route to each and
 * Linux takes a destination once. Every interface has routes to its own network's pools, so that answers leave
 * by the interface that the question came in on, whichever one Docker elects for the default route.
 */
import { familyOf, hostCidr, type Ip, parseIpWithPrefix, parseMac } from "../../../addr/index.ts";
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import { gatewaysMax, numberedGateway, type PublishedPort } from "../../../overlay/index.ts";
import { containerMac, type EndpointRef, type EndpointService } from "../../endpoint/index.ts";
import type { DockerAddresses, FabricPlan } from "./fabric-plan.ts";
import type { DockerJournal } from "./journal.ts";
import type { NetworkMessage } from "./messages.ts";
import { isMadeName, makeNetwork } from "./network-make.ts";
import { isDockerOwner } from "./owners.ts";
import { bindingsIn, type PortProbe, publish } from "./port-bindings.ts";
import type { DockerEndpoint, DockerNetwork } from "./records.ts";

export interface NetworkDriverOptions {
  readonly journal: DockerJournal;
  readonly plan: FabricPlan;
  readonly addresses: DockerAddresses;
  readonly endpoints: EndpointService;
  readonly clock: Clock;
  readonly probe: PortProbe;
  /** Resolves when the packet filter has what `published` answers now. */
  readonly onPublished: () => Promise<void>;
}

/** Name of interfaces in the container, before Docker's number. */
const ifnamePrefix = "eth";
/** Route types of libnetwork: by a next hop, or on the interface itself. */
const [nextHopRoute, connectedRoute] = [0, 1];

/** The interface of a Docker endpoint, for the endpoint service: one each. */
export function endpointRef(id: string): EndpointRef {
  return { containerId: id, ifname: ifnamePrefix };
}

export class NetworkDriver {
  readonly #options: NetworkDriverOptions;

  constructor(options: NetworkDriverOptions) {
    this.#options = options;
  }

  /** @throws DOCKER_NETWORK_INVALID, DOCKER_OPTION_INVALID, and what the fabric says to a new network */
  async createNetwork(message: NetworkMessage<"CreateNetwork">): Promise<object> {
    await makeNetwork(this.#options, message);
    return {};
  }

  async deleteNetwork({ NetworkID }: NetworkMessage<"DeleteNetwork">): Promise<object> {
    await this.forgetNetwork(NetworkID);
    return {};
  }

  /** Endpoints that Docker forgot go with it. The fabric network is left to the collector. */
  async forgetNetwork(id: string): Promise<void> {
    const { journal } = this.#options;
    for (const endpoint of journal.endpoints.list()) {
      if (endpoint.networkId === id) await this.forget(endpoint.id);
    }
    const record = journal.networks.get(id);
    if (record && isMadeName(record.network)) await journal.retired.put({ id: record.network });
    await journal.networks.delete(id);
    for (const pool of journal.pools.list()) if (pool.takenBy === id) await journal.pools.delete(pool.id);
  }

  /** @throws DOCKER_NETWORK_NOT_FOUND, DOCKER_ADDRESS_INVALID, DOCKER_ENDPOINT_EXISTS */
  async createEndpoint(message: NetworkMessage<"CreateEndpoint">): Promise<object> {
    const { journal, clock } = this.#options;
    const network = this.#network(message.NetworkID);
    const { Address, AddressIPv6, MacAddress } = message.Interface;
    const addresses = [Address, AddressIPv6].filter((text) => text !== "").map(ipIn);
    const [first] = addresses;
    if (first === undefined) throw addressInvalid(message.EndpointID, "the engine gave none");
    const mac = MacAddress === "" ? containerMac(first) : parseMac(MacAddress);
    for (const ip of addresses) this.#requireLeased(message.EndpointID, network, ip);
    const existing = journal.endpoints.get(message.EndpointID);
    if (existing && String(existing.addresses) !== String(addresses)) {
      throw new FabricError(
        "DOCKER_ENDPOINT_EXISTS",
        `create endpoint ${short(message.EndpointID)}: it exists with ${existing.addresses.join(", ")}; delete it first`,
      );
    }
    if (!existing) {
      await journal.endpoints.put({
        id: message.EndpointID,
        networkId: network.id,
        network: network.network,
        addresses,
        mac,
        ports: [],
        createdAtMs: clock.wallMs(),
      });
    }
    return { Interface: MacAddress === "" ? { MacAddress: mac } : {} };
  }

  /** @throws DOCKER_ENDPOINT_NOT_FOUND, and what attaching throws */
  async join(message: NetworkMessage<"Join">): Promise<object> {
    const { journal, endpoints } = this.#options;
    const endpoint = this.#endpoint(message.EndpointID);
    const network = this.#network(message.NetworkID);
    const sandbox = endpoint.sandbox?.key === message.SandboxKey ? endpoint.sandbox : this.#sandbox(message);
    await journal.endpoints.put({ ...endpoint, sandbox });
    const gateways = familiesOf(endpoint).map((family) => numberedGateway(family, sandbox.gatewayNumber));
    const { link } = await endpoints.attach({
      ...endpointRef(endpoint.id),
      network: endpoint.network,
      origin: { plugin: "docker", name: endpoint.networkId },
      form: {
        kind: "handover",
        netns: message.SandboxKey,
        mac: endpoint.mac,
        gateways,
        ...(network.mtu !== undefined && { mtu: network.mtu }),
      },
      addresses: endpoint.addresses,
    });
    const gatewayFor = (family: number) => gateways.find((ip) => familyOf(ip) === family) ?? "";
    return {
      InterfaceName: { SrcName: link?.handover?.peerIfname ?? "", DstPrefix: ifnamePrefix },
      Gateway: network.internal ? "" : gatewayFor(4),
      GatewayIPv6: network.internal ? "" : gatewayFor(6),
      StaticRoutes: this.#routes(endpoint, sandbox.key, gateways),
      DisableGatewayService: true,
    };
  }

  async leave({ EndpointID }: NetworkMessage<"Leave">): Promise<object> {
    const { journal, endpoints } = this.#options;
    await endpoints.detach(endpointRef(EndpointID));
    const endpoint = journal.endpoints.get(EndpointID);
    if (endpoint) await this.#left(endpoint);
    return {};
  }

  async deleteEndpoint({ EndpointID }: NetworkMessage<"DeleteEndpoint">): Promise<object> {
    await this.forget(EndpointID);
    return {};
  }

  /** Off the kernel first, then out of the journal: the address may be released from then on. */
  async forget(id: string): Promise<void> {
    const { journal, endpoints, onPublished } = this.#options;
    await endpoints.detach(endpointRef(id));
    const ports = journal.endpoints.get(id)?.ports ?? [];
    await journal.endpoints.delete(id);
    if (ports.length > 0) await onPublished();
  }

  endpointInfo({ EndpointID }: NetworkMessage<"EndpointOperInfo">): object {
    const endpoint = this.#endpoint(EndpointID);
    const ports = endpoint.ports.map(({ protocol, hostIp = "", hostPort, ip, port }) => {
      return `${hostIp}:${hostPort}->${ip}:${port}/${protocol}`;
    });
    return {
      Value: {
        "com.docker.network.endpoint.macaddress": endpoint.mac,
        "heddle.network": endpoint.network,
        ...(ports.length > 0 && { "heddle.ports": ports }),
      },
    };
  }

  /** Nothing of an internal network, as with Docker's own. @throws DOCKER_PORT_TAKEN, DOCKER_PORT_INVALID */
  async publish(message: NetworkMessage<"ProgramExternalConnectivity">): Promise<object> {
    const { journal, probe, onPublished } = this.#options;
    const endpoint = this.#endpoint(message.EndpointID);
    if (this.#network(message.NetworkID).internal) return {};
    const others = this.published((id) => id !== endpoint.id);
    const ports = await publish(bindingsIn(message.Options), endpoint.addresses, others, probe);
    if (ports.length === 0 && endpoint.ports.length === 0) return {};
    await journal.endpoints.put({ ...endpoint, ports });
    await onPublished();
    return {};
  }

  async revoke({ EndpointID }: NetworkMessage<"RevokeExternalConnectivity">): Promise<object> {
    const { journal, onPublished } = this.#options;
    const endpoint = journal.endpoints.get(EndpointID);
    if (!endpoint || endpoint.ports.length === 0) return {};
    await journal.endpoints.put({ ...endpoint, ports: [] });
    await onPublished();
    return {};
  }

  /** Ports of the host that lead to containers. */
  published(where: (endpointId: string) => boolean = () => true): readonly PublishedPort[] {
    return this.#options.journal.endpoints.list().flatMap(({ id, ports }) => (where(id) ? ports : []));
  }

  async #left(endpoint: DockerEndpoint): Promise<void> {
    const { journal, onPublished } = this.#options;
    const { sandbox: _, ...rest } = endpoint;
    await journal.endpoints.put({ ...rest, ports: [] });
    if (endpoint.ports.length > 0) await onPublished();
  }

  /** The lowest gateway number that no other interface of the sandbox has. */
  #sandbox({ EndpointID, SandboxKey }: NetworkMessage<"Join">): NonNullable<DockerEndpoint["sandbox"]> {
    const taken = new Set(
      this.#inSandbox(SandboxKey, EndpointID).map(({ sandbox }) => sandbox?.gatewayNumber),
    );
    for (let gatewayNumber = 1; gatewayNumber <= gatewaysMax; gatewayNumber++) {
      if (!taken.has(gatewayNumber)) return { key: SandboxKey, gatewayNumber };
    }
    throw new FabricError(
      "DOCKER_LIMIT",
      `join endpoint ${short(EndpointID)}: its container has ${gatewaysMax} interfaces already`,
      { details: { limit: gatewaysMax } },
    );
  }

  #inSandbox(key: string, except: string): readonly DockerEndpoint[] {
    return this.#options.journal.endpoints
      .list()
      .filter(({ id, sandbox }) => id !== except && sandbox?.key === key);
  }

  #routes(endpoint: DockerEndpoint, sandboxKey: string, gateways: readonly Ip[]): readonly object[] {
    const connected = gateways.map((ip) => ({
      Destination: hostCidr(ip),
      RouteType: connectedRoute,
      NextHop: "",
    }));
    const isTwin = this.#inSandbox(sandboxKey, endpoint.id).some(
      ({ network }) => network === endpoint.network,
    );
    if (isTwin) return connected;
    const pools = this.#options.plan.network(endpoint.network)?.pools ?? [];
    const byGateway = pools.flatMap(({ cidr }) => {
      const gateway = gateways.find((ip) => familyOf(ip) === (cidr.includes(":") ? 6 : 4));
      return gateway === undefined ? [] : [{ Destination: cidr, RouteType: nextHopRoute, NextHop: gateway }];
    });
    return [...connected, ...byGateway];
  }

  #requireLeased(id: string, network: DockerNetwork, ip: Ip): void {
    const { addresses, journal } = this.#options;
    const lease = addresses.leaseAt(ip);
    if (!lease || !isDockerOwner(lease.owner) || lease.network !== network.network)
      throw addressInvalid(
        id,
        `${ip} was not requested of Heddle's IPAM driver; create the network with --ipam-driver heddle`,
      );
    const holder = journal.endpointOf(ip);
    if (holder && holder.id !== id) throw addressInvalid(id, `endpoint ${short(holder.id)} has ${ip}`);
  }

  #network(id: string): DockerNetwork {
    const network = this.#options.journal.networks.get(id);
    if (network) return network;
    throw new FabricError(
      "DOCKER_NETWORK_NOT_FOUND",
      `use the Docker network ${short(id)}: this node does not know it, its data may have been removed; remove the Docker network and create it again`,
      { details: { network: id } },
    );
  }

  #endpoint(id: string): DockerEndpoint {
    const endpoint = this.#options.journal.endpoints.get(id);
    if (endpoint) return endpoint;
    throw new FabricError(
      "DOCKER_ENDPOINT_NOT_FOUND",
      `use the endpoint ${short(id)}: this node does not know it; disconnect the container and connect it again`,
      { details: { endpoint: id } },
    );
  }
}

export function short(id: string): string {
  return id.slice(0, 12);
}

function familiesOf({ addresses }: DockerEndpoint): readonly (4 | 6)[] {
  return [...new Set(addresses.map(familyOf))];
}

function ipIn(text: string): Ip {
  return parseIpWithPrefix(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`).ip;
}

function addressInvalid(endpointId: string, why: string): FabricError {
  return new FabricError("DOCKER_ADDRESS_INVALID", `create endpoint ${short(endpointId)}: ${why}`);
}
