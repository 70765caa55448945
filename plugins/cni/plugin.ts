/**
 * The CNI plugin itself: one call in, one answer out, never an exception. As main plugin it makes the
 * interface; as `ipam` of another plugin (Debian's bridge, ptp) it gives addresses only.
 *
 * Source: https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md
 */
import { familyOf } from "../../addr/index.ts";
import type { Clock } from "../../clock/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import type {
  AddressSource,
  AttachRequest,
  EndpointRef,
  EndpointService,
  NetworkDirectory,
  ReadyEndpoint,
} from "../endpoint/index.ts";
import { type CniAnswer, successAnswer } from "./answer.ts";
import { type CniConfig, isDelegated, parseConfig, versionOf, wantedAddresses, wantedMac } from "./config.ts";
import { type CniCommand, type CniEnvironment, parseEnvironment } from "./environment.ts";
import { failureAnswer, unavailableAnswer } from "./failure.ts";
import { parseRequest } from "./request.ts";
import { addressResult, checkPrevious, interfaceResult } from "./result.ts";
import { type CniVersion, isAtLeast, newestCniVersion, versionResult } from "./version.ts";

export interface CniPluginOptions {
  readonly endpoints: EndpointService;
  readonly addresses: Pick<AddressSource, "assertCanAllocate">;
  readonly networks: NetworkDirectory;
  readonly clock: Clock;
  /** What containers should ask for names, unless the configuration says; default the gateway address. */
  readonly nameservers?: readonly string[];
}

/** A network of this name serves configurations that name none. */
const defaultNetwork = "default";
/** CHECK lets kernel state settle this often, this long apart. */
const [checkAttempts, checkPauseMs] = [4, 100];
/** Owns this node's gateway address in networks whose pools have none; no runtime can use this id. */
const gatewayContainer = ".gateway";

export class CniPlugin {
  readonly #options: CniPluginOptions;

  constructor(options: CniPluginOptions) {
    this.#options = options;
  }

  /** `request` as in request.ts. */
  async answer(request: Uint8Array): Promise<CniAnswer> {
    let version: CniVersion = newestCniVersion;
    let command: CniCommand | undefined;
    try {
      const { variables, stdin } = parseRequest(request);
      version = versionOf(stdin) ?? newestCniVersion;
      const environment = parseEnvironment(variables);
      command = environment.command;
      if (command === "VERSION") return successAnswer(versionResult(version));
      return await this.#run(environment, parseConfig(stdin));
    } catch (error) {
      const refused = isFabricError(error) && error.code.startsWith("CNI_");
      return command === "STATUS" && !refused
        ? unavailableAnswer(version, error)
        : failureAnswer(version, error);
    }
  }

  async #run(environment: CniEnvironment, config: CniConfig): Promise<CniAnswer> {
    const { command } = environment;
    switch (command) {
      case "ADD":
        return successAnswer(await this.#add(environment, config));
      case "DEL":
        await this.#options.endpoints.detach(environment);
        return successAnswer();
      case "CHECK":
        await this.#check(environment, config);
        return successAnswer();
      case "STATUS":
        requireVersion(config, command);
        await this.#options.addresses.assertCanAllocate(this.#networkOf(config));
        return successAnswer();
      case "GC":
        requireVersion(config, command);
        await this.#collect(config);
        return successAnswer();
      case "VERSION":
        return successAnswer(versionResult(config.cniVersion));
      default:
        return command satisfies never;
    }
  }

  async #add(environment: CniEnvironment, config: CniConfig): Promise<object> {
    const { endpoints } = this.#options;
    const { containerId, ifname, netns } = environment;
    const delegated = isDelegated(config);
    if (!delegated && config.prevResult) {
      throw new FabricError(
        "CNI_CONFIG_INVALID",
        "add the container: there is a prevResult, but Heddle makes the interface; put it first in the list of plugins",
      );
    }
    const mac = wantedMac(config, environment);
    const request: AttachRequest = {
      containerId,
      ifname,
      network: this.#networkOf(config),
      origin: { plugin: "cni", name: config.name },
      addresses: wantedAddresses(config, environment),
      form: delegated
        ? { kind: "addresses" }
        : { kind: "interface", netns, ...(mac && { mac }), ...(config.mtu && { mtu: config.mtu }) },
    };
    const endpoint = await endpoints.attach(request);
    return endpoint.link
      ? interfaceResult(config.cniVersion, endpoint.link, this.#dnsOf(config, endpoint.link.gateways))
      : this.#delegatedResult(config, endpoint);
  }

  /** CHECK allows the kernel a moment to converge, as a reconciliation may be under way. */
  async #check(environment: CniEnvironment, config: CniConfig): Promise<void> {
    const { endpoints, clock } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        const { addresses, link } = await endpoints.check(environment);
        const ips = addresses.map(({ ip }) => ip);
        return checkPrevious(config, ips, link);
      } catch (error) {
        if (attempt === checkAttempts || !isFabricError(error, "OVERLAY_ENDPOINT_DRIFT")) throw error;
        await clock.sleep(checkPauseMs);
      }
    }
  }

  /** Removes what CNI made under this network name and the runtime does not know any more. */
  async #collect(config: CniConfig): Promise<void> {
    const valid = config["cni.dev/valid-attachments"];
    if (!valid) {
      throw new FabricError(
        "CNI_CONFIG_INVALID",
        "collect garbage: cni.dev/valid-attachments is missing; without it every container would go",
      );
    }
    const keep = new Set(valid.map(({ containerID, ifname }) => keyOf({ containerId: containerID, ifname })));
    const { endpoints } = this.#options;
    const stale = endpoints
      .list()
      .map(({ request }) => request)
      .filter(({ origin }) => origin.plugin === "cni" && origin.name === config.name)
      .filter((request) => request.containerId !== gatewayContainer && !keep.has(keyOf(request)));
    const errors = await endpoints.detachAll(stale);
    if (errors.length === 0) return;
    const messages = errors.map((error) => (error instanceof Error ? error.message : String(error)));
    throw new FabricError(
      "CNI_GC_INCOMPLETE",
      `collect garbage: ${errors.length} of ${stale.length} endpoints could not be removed; try again: ${messages.slice(0, 3).join("; ")}`,
      { details: { errors: messages.slice(0, 16) } },
    );
  }

  async #delegatedResult(config: CniConfig, { request, addresses }: ReadyEndpoint): Promise<object> {
    const network = this.#options.networks.network(request.network);
    const withoutGateway = addresses.some(
      ({ pool }) => !network?.pools.find((each) => each.cidr === pool)?.gateway,
    );
    const own = withoutGateway ? await this.#ownGateways(request.network, config.name) : [];
    const complete = addresses.map(({ ip, pool }) => ({
      ip,
      pool,
      gateway:
        network?.pools.find((each) => each.cidr === pool)?.gateway ??
        own.find((each) => familyOf(each.ip) === familyOf(ip) && each.pool === pool)?.ip,
    }));
    const gateways = complete.flatMap(({ gateway }) => gateway ?? []);
    return addressResult(config.cniVersion, complete, config.ipam?.routes, this.#dnsOf(config, gateways));
  }

  /** One address of the pool a node, so that a bridge there can have it and no container anywhere does. */
  async #ownGateways(network: string, name: string): Promise<ReadyEndpoint["addresses"]> {
    const gateway = await this.#options.endpoints.attach({
      containerId: gatewayContainer,
      ifname: network,
      network,
      origin: { plugin: "cni", name },
      form: { kind: "addresses" },
      addresses: [],
    });
    return gateway.addresses;
  }

  /** `network` of the configuration; else the network that is called as the configuration is; else `default`. */
  #networkOf(config: CniConfig): string {
    const named = isDelegated(config) ? config.ipam?.network : config.network;
    if (named !== undefined) return named;
    return this.#options.networks.network(config.name) ? config.name : defaultNetwork;
  }

  #dnsOf(config: CniConfig, gateways: readonly string[]): object {
    if (config.dns) return config.dns;
    return isDelegated(config) ? {} : { nameservers: this.#options.nameservers ?? gateways.slice(0, 1) };
  }
}

function requireVersion({ cniVersion }: CniConfig, command: CniCommand): void {
  if (isAtLeast(cniVersion, "1.1.0")) return;
  throw new FabricError(
    "CNI_VERSION_UNSUPPORTED",
    `run CNI ${command}: it needs cniVersion 1.1.0, this is ${cniVersion}`,
  );
}

function keyOf({ containerId, ifname }: EndpointRef): string {
  return `${containerId}/${ifname}`;
}
