/**
 * The CNI plugin itself: one call in, one answer out, never an exception. As main plugin it makes the
 * interface; as `ipam` of another plugin (Debian's bridge, ptp) it gives addresses only.
 *
 * Source: https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import {
  type AddressSource,
  type AttachRequest,
  type EndpointRef,
  type EndpointService,
  endpointLimits,
  type NetworkDirectory,
  type ReadyEndpoint,
  withinDeadline,
} from "../endpoint/index.ts";
import { type CniAnswer, successAnswer } from "./answer.ts";
import {
  type CniConfig,
  isDelegated,
  parseConfig,
  parseVersion,
  versionOf,
  wantedAddresses,
  wantedMac,
} from "./config.ts";
import { isNodeGateway, withGateways } from "./delegated.ts";
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
  /** For CHECK and STATUS; default as the endpoint service. */
  readonly deadlineMs?: number;
  /** Told of every call that was answered: for the log and metrics. */
  readonly onAnswer?: (call: AnsweredCall) => void;
  /** What containers should ask for names, unless the configuration says; default the gateway address. */
  readonly nameservers?: readonly string[];
}

export interface AnsweredCall {
  /** Undefined when the call did not say. */
  readonly command: CniCommand | undefined;
  readonly containerId: string;
  readonly ifname: string;
  readonly durationMs: number;
  /** Undefined for success. */
  readonly error: unknown;
}

/** A network of this name serves configurations that name none. */
const defaultNetwork = "default";
/** CHECK lets kernel state settle this often, this long apart. */
const [checkAttempts, checkPauseMs] = [4, 100];

export class CniPlugin {
  readonly #options: CniPluginOptions;

  constructor(options: CniPluginOptions) {
    this.#options = options;
  }

  /** `request` as in request.ts. */
  async answer(request: Uint8Array): Promise<CniAnswer> {
    const startMs = this.#options.clock.monotonicMs();
    let version: CniVersion = newestCniVersion;
    let environment: CniEnvironment | undefined;
    let failure: unknown;
    try {
      const { variables, stdin } = parseRequest(request);
      version = versionOf(stdin) ?? newestCniVersion;
      environment = parseEnvironment(variables);
      return await this.#run(environment, stdin, version);
    } catch (error) {
      failure = error;
      const refused = isFabricError(error) && error.code.startsWith("CNI_");
      const unavailable = environment?.command === "STATUS" && !refused;
      return unavailable ? unavailableAnswer(version, error) : failureAnswer(version, error);
    } finally {
      this.#options.onAnswer?.({
        command: environment?.command,
        containerId: environment?.containerId ?? "",
        ifname: environment?.ifname ?? "",
        durationMs: this.#options.clock.monotonicMs() - startMs,
        error: failure,
      });
    }
  }

  async #run(environment: CniEnvironment, stdin: Uint8Array, version: CniVersion): Promise<CniAnswer> {
    const { command } = environment;
    switch (command) {
      case "VERSION":
        return successAnswer(versionResult(version));
      case "ADD":
        return successAnswer(await this.#add(environment, parseConfig(stdin)));
      case "DEL":
        parseVersion(stdin);
        await this.#options.endpoints.detach(environment);
        return successAnswer();
      case "CHECK":
        await this.#inTime("check the container", this.#check(environment, parseConfig(stdin)));
        return successAnswer();
      case "STATUS":
        await this.#inTime("look whether a container can be added", this.#status(parseConfig(stdin)));
        return successAnswer();
      case "GC":
        await this.#collect(parseConfig(stdin));
        return successAnswer();
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

  async #delegatedResult(config: CniConfig, endpoint: ReadyEndpoint): Promise<object> {
    const addresses = await withGateways(this.#options, endpoint);
    return addressResult(config.cniVersion, addresses, config.ipam?.routes, this.#dnsOf(config, []));
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

  async #status(config: CniConfig): Promise<void> {
    requireVersion(config, "STATUS");
    await this.#options.addresses.assertCanAllocate(this.#networkOf(config));
  }

  /** Removes what CNI made under this network name and the runtime does not know any more. */
  async #collect(config: CniConfig): Promise<void> {
    requireVersion(config, "GC");
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
      .filter((request) => !isNodeGateway(request) && !keep.has(keyOf(request)));
    const errors = await endpoints.detachAll(stale);
    if (errors.length === 0) return;
    const messages = errors.map((error) => (error instanceof Error ? error.message : String(error)));
    throw new FabricError(
      "CNI_GC_INCOMPLETE",
      `collect garbage: ${errors.length} of ${stale.length} endpoints could not be removed; try again: ${messages.slice(0, 3).join("; ")}`,
      { details: { errors: messages.slice(0, 16) } },
    );
  }

  /** `network` of the configuration; else the network that is called as the configuration is; else `default`. */
  #networkOf(config: CniConfig): string {
    const named = isDelegated(config) ? config.ipam?.network : config.network;
    if (named !== undefined) return named;
    return this.#options.networks.network(config.name) ? config.name : defaultNetwork;
  }

  /** ADD and DEL have the endpoint service's own deadline, GC one for each endpoint. */
  #inTime<T>(what: string, work: Promise<T>): Promise<T> {
    const { clock, deadlineMs = endpointLimits.deadlineMs } = this.#options;
    return withinDeadline(clock, deadlineMs, what, work);
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
