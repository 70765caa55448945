/**
 * One call of an engine in, one answer out, within the deadline, whatever the control plane does: an engine waits
 * without limit and holds its locks meanwhile (moby, pkg/plugins). Nothing here ever calls the engine. Calls for
 * one object run one after the other; what was begun goes on behind an error, and the call may be repeated.
 *
 * Success is always an object, as an empty answer cannot be decoded. A failure is told in `Err` (networks) and
 * `Error` (addresses) alike; a method that is unknown is 404, which engines take as "not supported".
 */
import * as z from "zod";
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import { Lanes } from "../../endpoint/index.ts";
import type { AddressDriver } from "./address-driver.ts";
import {
  type AddressCall,
  type AddressMessage,
  addressCalls,
  type NetworkCall,
  type NetworkMessage,
  networkCalls,
} from "./messages.ts";
import type { NetworkDriver } from "./network-driver.ts";
import { addressSpace, type PoolDriver } from "./pool-driver.ts";

export interface DockerPluginLimits {
  /** Calls that wait or run. */
  readonly callsMax: number;
  /** After this long an engine gets an error. */
  readonly deadlineMs: number;
}

export const dockerPluginLimits: DockerPluginLimits = { callsMax: 512, deadlineMs: 1900 };

export interface PluginAnswer {
  readonly status: number;
  readonly body: object;
}

export interface AnsweredDockerCall {
  /** As `NetworkDriver.Join`. */
  readonly method: string;
  readonly durationMs: number;
  /** Undefined for success. */
  readonly error: unknown;
}

export interface DockerPluginOptions {
  readonly networks: NetworkDriver;
  readonly pools: PoolDriver;
  readonly addresses: AddressDriver;
  readonly clock: Clock;
  readonly limits?: Partial<DockerPluginLimits>;
  /** Told of every call that was answered: for the log and metrics. */
  readonly onAnswer?: (call: AnsweredDockerCall) => void;
}

interface Handler {
  /** Calls of one key run one after the other. @throws ZodError */
  readonly keyOf: (message: unknown) => string;
  readonly run: (message: unknown) => Promise<object>;
}

export class DockerPlugin {
  readonly #options: DockerPluginOptions;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #lanes: Lanes;

  constructor(options: DockerPluginOptions) {
    const { callsMax, deadlineMs } = { ...dockerPluginLimits, ...options.limits };
    this.#options = options;
    this.#handlers = handlersOf(options);
    this.#lanes = new Lanes(options.clock, { operationsMax: callsMax, deadlineMs });
  }

  /** `method` as in the path of the request: `NetworkDriver.Join`. Never throws. */
  async answer(method: string, body: Uint8Array): Promise<PluginAnswer> {
    const { clock, onAnswer } = this.#options;
    const handler = this.#handlers.get(method);
    if (!handler) return failure(404, `there is no method ${JSON.stringify(method.slice(0, 64))}`);
    const startMs = clock.monotonicMs();
    let error: unknown;
    try {
      return { status: 200, body: await this.#run(method, handler, body) };
    } catch (thrown) {
      error = thrown;
      return failure(error instanceof z.ZodError ? 400 : 200, textOf(method, error));
    } finally {
      onAnswer?.({ method, durationMs: clock.monotonicMs() - startMs, error });
    }
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#lanes.idle();
  }

  #run(method: string, handler: Handler, body: Uint8Array): Promise<object> {
    const message = parseBody(method, body);
    return this.#lanes.run(handler.keyOf(message), method, () => handler.run(message));
  }
}

function handlersOf({
  networks,
  pools,
  addresses,
}: Pick<DockerPluginOptions, "networks" | "pools" | "addresses">): ReadonlyMap<string, Handler> {
  const handlers = new Map<string, Handler>();
  const onNetwork = <Call extends NetworkCall>(
    call: Call,
    keyOf: (message: NetworkMessage<Call>) => string,
    run: (message: NetworkMessage<Call>) => Promise<object> | object,
  ) => {
    const read = (message: unknown) => networkCalls[call].parse(message) as NetworkMessage<Call>;
    handlers.set(`NetworkDriver.${call}`, {
      keyOf: (message) => keyOf(read(message)),
      run: async (message) => run(read(message)),
    });
  };
  const onAddress = <Call extends AddressCall>(
    call: Call,
    keyOf: (message: AddressMessage<Call>) => string,
    run: (message: AddressMessage<Call>) => Promise<object> | object,
  ) => {
    const read = (message: unknown) => addressCalls[call].parse(message) as AddressMessage<Call>;
    handlers.set(`IpamDriver.${call}`, {
      keyOf: (message) => keyOf(read(message)),
      run: async (message) => run(read(message)),
    });
  };
  const ofNetwork = ({ NetworkID }: { readonly NetworkID: string }) => NetworkID;
  const ofEndpoint = ({ EndpointID }: { readonly EndpointID: string }) => EndpointID;
  const ofAddress = ({ PoolID, Address }: { readonly PoolID: string; readonly Address: string }) =>
    Address === "" ? freeLane() : `${PoolID.split("#")[0]} ${Address}`;

  handlers.set("Plugin.Activate", {
    keyOf: freeLane,
    run: async () => ({ Implements: ["NetworkDriver", "IpamDriver"] }),
  });
  onNetwork("GetCapabilities", freeLane, () => ({
    Scope: "local",
    ConnectivityScope: "global",
    GwAllocChecker: true,
  }));
  onNetwork("GwAllocCheck", freeLane, () => ({ SkipIPv4: true, SkipIPv6: true }));
  onNetwork("AllocateNetwork", freeLane, () => ({ Options: {} }));
  onNetwork("FreeNetwork", freeLane, () => ({}));
  onNetwork("CreateNetwork", ofNetwork, (message) => networks.createNetwork(message));
  onNetwork("DeleteNetwork", ofNetwork, (message) => networks.deleteNetwork(message));
  onNetwork("CreateEndpoint", ofEndpoint, (message) => networks.createEndpoint(message));
  onNetwork("DeleteEndpoint", ofEndpoint, (message) => networks.deleteEndpoint(message));
  onNetwork("EndpointOperInfo", ofEndpoint, (message) => networks.endpointInfo(message));
  onNetwork("Join", ofEndpoint, (message) => networks.join(message));
  onNetwork("Leave", ofEndpoint, (message) => networks.leave(message));
  onNetwork("DiscoverNew", freeLane, () => ({}));
  onNetwork("DiscoverDelete", freeLane, () => ({}));
  // One at a time: each looks at the ports of all others.
  onNetwork(
    "ProgramExternalConnectivity",
    () => "ports",
    (message) => networks.publish(message),
  );
  onNetwork("RevokeExternalConnectivity", ofEndpoint, (message) => networks.revoke(message));
  onAddress("GetCapabilities", freeLane, () => ({ RequiresMACAddress: false, RequiresRequestReplay: false }));
  onAddress("GetDefaultAddressSpaces", freeLane, () => ({
    LocalDefaultAddressSpace: addressSpace,
    GlobalDefaultAddressSpace: addressSpace,
  }));
  onAddress(
    "RequestPool",
    () => "pools",
    (message) => pools.requestPool(message),
  );
  onAddress(
    "ReleasePool",
    () => "pools",
    (message) => pools.releasePool(message),
  );
  onAddress("RequestAddress", ofAddress, (message) => addresses.requestAddress(message));
  onAddress("ReleaseAddress", ofAddress, (message) => addresses.releaseAddress(message));
  return handlers;
}

let lanes = 0;
/** A key of its own: the call waits for no other. */
function freeLane(): string {
  return `free ${lanes++}`;
}

/** An engine that tries again may send an empty body. */
function parseBody(method: string, body: Uint8Array): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(Buffer.from(body).toString()) as unknown;
  } catch (cause) {
    throw new FabricError("DOCKER_UNDECODABLE", `read the call ${method}: it is no JSON`, { cause });
  }
}

function failure(status: number, text: string): PluginAnswer {
  return { status, body: { Err: text, Error: text } };
}

function textOf(method: string, error: unknown): string {
  if (error instanceof z.ZodError)
    return `DOCKER_UNDECODABLE: read the call ${method}: ${z.prettifyError(error)}`;
  if (error instanceof FabricError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
