/**
 * The agent's end of the control protocol: connected to one server at a time, to another one when that is lost,
 * for as long as the agent runs. Views and registrations outlive connections.
 *
 * A welcome starts or goes on with the node's term, so `onJoined` is awaited before anything else may use the
 * connection: the allocator must give up an old term first.
 */
import { create } from "@bufbuild/protobuf";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { Clock } from "../../clock/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import type { AgentIdentity } from "../agent-identity.ts";
import type { UnaryInput, UnaryName, UnaryOutput } from "../control-service.ts";
import {
  type ForwardedRequest,
  type ForwardedResponse,
  filterHeaders,
  requestHeaders,
  responseHeaders,
  type StreamedRequest,
  type StreamedResponse,
} from "../http-exchange.ts";
import { type ControlClientLimits, controlClientLimits } from "../limits.ts";
import {
  type Hello,
  HttpRequestSchema,
  RestateRequestSchema,
  type ServerMessage,
} from "../proto/gen/fabric_pb.ts";
import { grpcChannels } from "./channel.ts";
import type { ControlClientOptions, ControlEvent, ControlState, ServerWelcome } from "./client-contract.ts";
import { Connection } from "./connection.ts";
import { helloOf, readWelcome } from "./greeting.ts";
import { RegistrationSync } from "./registration-sync.ts";
import { afterFailure, afterLoss, firstChoice, type ServerChoice, waitBeforeMs } from "./server-choice.ts";
import type { ViewHandle } from "./view-handle.ts";
import { ViewTable } from "./view-table.ts";

export class ControlClient {
  readonly node: AgentIdentity;
  readonly #options: ControlClientOptions;
  readonly #limits: ControlClientLimits;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #views: ViewTable;
  readonly #sync: RegistrationSync | undefined;
  readonly #ending = new AbortController();
  readonly #listeners = new Set<(state: ControlState) => void>();
  #running: Promise<void> | undefined;
  #connection: Connection | undefined;
  #welcome: ServerWelcome | undefined;
  #connected = false;
  #sinceMs: number;
  #heardAtMs: number | undefined;
  #address: string;
  #error: FabricError | undefined;
  #calls = 0;

  constructor(options: ControlClientOptions) {
    const { clock, random = Math.random, cache, registrations } = options;
    const limits = { ...controlClientLimits, ...options.limits };
    this.node = options.node;
    this.#options = options;
    this.#limits = limits;
    this.#clock = clock;
    this.#random = random;
    this.#sinceMs = clock.monotonicMs();
    this.#address = options.servers[0] ?? "";
    const onFailure = (action: string, error: unknown) => this.#log({ kind: "failed", action, error });
    this.#views = new ViewTable({ clock, limits, cache, onFailure });
    this.#sync =
      registrations &&
      new RegistrationSync({
        source: registrations,
        clock,
        random,
        limits,
        onFailure: (error) => onFailure("sync registrations", error),
      });
  }

  /** Begins to connect; goes on until `close`. */
  start(): void {
    this.#running ??= this.#run();
  }

  get state(): ControlState {
    const heardAtMs = this.#connection?.heardAtMs || this.#heardAtMs;
    return {
      connected: this.#connected,
      address: this.#address,
      sinceMs: this.#sinceMs,
      lastContactMs: heardAtMs === undefined ? undefined : this.#clock.monotonicMs() - heardAtMs,
      welcome: this.#welcome,
      error: this.#error,
      views: this.#views.size,
    };
  }

  /** Calls back when connected or disconnected. Answers how to stop. */
  onState(listener: (state: ControlState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Works without a connection too: the view then comes from the cache or when there is one. @throws CONTROL_LIMIT */
  subscribe(view: string): ViewHandle {
    return this.#views.open(view);
  }

  /** Resolves when the server holds all registrations of now. @throws CONTROL_UNAVAILABLE, why it refused */
  flushRegistrations(): Promise<number> {
    return this.#sync?.flush() ?? Promise.resolve(0);
  }

  /**
   * One request to the HTTP API, served by the server.
   * @throws CONTROL_UNAVAILABLE, CONTROL_TIMEOUT, CONTROL_LIMIT, the signal's reason
   */
  async http(
    request: Omit<ForwardedRequest, "node">,
    options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
  ): Promise<ForwardedResponse> {
    const { method, target, body } = request;
    const headers = filterHeaders(request.headers, requestHeaders);
    const message = create(HttpRequestSchema, { node: this.node.name, method, target, headers, body });
    const {
      status,
      headers: answered,
      body: bytes,
    } = await this.call("http", message, {
      action: `forward ${method} ${target.slice(0, 200)}`,
      timeoutMs: options.timeoutMs ?? this.#limits.httpTimeoutMs,
      signal: options.signal,
    });
    return { status, headers: filterHeaders(answered, responseHeaders), body: bytes };
  }

  /**
   * The same with streams for bodies; no time limit.
   * @throws CONTROL_UNAVAILABLE, CONTROL_LIMIT, the signal's reason; the body throws CONTROL_UNAVAILABLE when the connection is lost
   */
  async httpStream(request: Omit<StreamedRequest, "node">, signal?: AbortSignal): Promise<StreamedResponse> {
    const action = `forward ${request.method} ${request.target.slice(0, 200)}`;
    if (!this.#connected || !this.#connection) throw unavailable(action, this.#error);
    this.#assertRoom(action);
    return this.#connection.stream({ ...request, node: this.node.name }, signal);
  }

  /** Any unary call, on the connection of now. An answer after the deadline is dropped. */
  async call<Name extends UnaryName>(
    name: Name,
    request: UnaryInput<Name>,
    options: {
      readonly action: string;
      readonly timeoutMs?: number;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<UnaryOutput<Name>> {
    const { action, timeoutMs = this.#limits.callTimeoutMs, signal } = options;
    if (!this.#connected || !this.#connection) throw unavailable(action, this.#error);
    this.#assertRoom(action);
    this.#calls += 1;
    try {
      return await this.#connection.call(name, request, { action, timeoutMs, signal });
    } finally {
      this.#calls -= 1;
    }
  }

  /** With `goodbye` the node counts as dead at once; without, its TTL runs. */
  async close(options: { readonly goodbye?: boolean } = {}): Promise<void> {
    if (this.#ending.signal.aborted) return;
    const closed = new FabricError("CONTROL_CLOSED", "use the control client: it was closed; open it again");
    this.#ending.abort(closed);
    this.#error = closed;
    await this.#connection?.close(options.goodbye ?? false);
    await this.#running;
    this.#sync?.close();
    await this.#views.close();
  }

  #assertRoom(action: string): void {
    const { callsMax } = this.#limits;
    if (this.#calls + (this.#connection?.streams ?? 0) >= callsMax) {
      throw new FabricError(
        "CONTROL_LIMIT",
        `${action}: ${callsMax} calls are under way; ask for less at a time`,
        {
          details: { limit: "callsMax", max: callsMax },
        },
      );
    }
  }

  async #run(): Promise<void> {
    const { servers } = this.#options;
    let choice: ServerChoice = firstChoice;
    while (!this.#ending.signal.aborted) {
      const waitMs = waitBeforeMs(choice, servers.length, this.#limits, this.#random);
      if (waitMs > 0) await this.#clock.sleep(waitMs, this.#ending.signal).catch(() => undefined);
      if (this.#ending.signal.aborted) return;
      this.#address = servers[choice.next] ?? "";
      const wasStable = await this.#session(this.#address);
      choice = wasStable ? afterLoss(choice, servers.length) : afterFailure(choice, servers.length);
    }
  }

  /**
   * One connection from beginning to end. True if it stood for a while: what breaks at once, or gives way to a
   * twin of this node, must not be tried again without a wait.
   */
  async #session(address: string): Promise<boolean> {
    let lost: (error: FabricError) => void = () => undefined;
    const losing = new Promise<FabricError>((resolve) => {
      lost = resolve;
    });
    const own = await this.#credentials(address).catch((error: unknown) => {
      this.#refused(address, isFabricError(error) ? error : unavailable("join", undefined, error));
    });
    if (!own || this.#ending.signal.aborted) return false;
    const { channels = grpcChannels(this.#limits) } = this.#options;
    const connection = new Connection(address, channels(address, own), this.#clock, this.#limits, {
      onMessage: (kind) => this.#receive(connection, kind),
      onLost: (error) => lost(error),
    });
    this.#connection = connection;
    const ending = () => lost(this.#ending.signal.reason as FabricError);
    this.#ending.signal.addEventListener("abort", ending, { once: true });
    const failed = this.#join(connection).then(
      () => losing,
      (error: unknown) => (isFabricError(error) ? error : unavailable("join", undefined, error)),
    );
    const error = await Promise.race([losing, failed]);
    this.#ending.signal.removeEventListener("abort", ending);
    const stoodMs = this.#connected ? this.#clock.monotonicMs() - this.#sinceMs : 0;
    if (this.#connected) this.#disconnected(address, error);
    else this.#refused(address, error);
    await connection.close(false);
    this.#connection = undefined;
    if (error.code === "IPAM_RECOVERING") await this.#restate(address, own);
    return stoodMs >= this.#limits.stableAfterMs && error.code !== "CONTROL_REPLACED";
  }

  /** The servers gather the address plan: they hear what this node holds, and let it in later. */
  async #restate(address: string, own: ChannelCredentials): Promise<void> {
    const statement = this.#options.statement?.();
    if (statement === undefined) return;
    const { channels = grpcChannels(this.#limits) } = this.#options;
    const channel = channels(address, own);
    const action = "state what this node holds";
    try {
      const request = create(RestateRequestSchema, { node: this.node.name, hello: this.#hello(), statement });
      const { callTimeoutMs: timeoutMs, handshakeTimeoutMs } = this.#limits;
      await channel.reached(handshakeTimeoutMs);
      await channel.call("restate", request, { action, timeoutMs, signal: this.#ending.signal });
      this.#log({ kind: "restated", address });
    } catch (error) {
      this.#log({ kind: "failed", action, error });
    } finally {
      channel.close();
    }
  }

  async #credentials(address: string): Promise<ChannelCredentials> {
    const { trust } = this.#options;
    return trust && !address.startsWith("unix:") ? trust.credentials(address) : credentials.createInsecure();
  }

  async #join(connection: Connection): Promise<void> {
    const sentAtMs = this.#clock.monotonicMs();
    const welcome = readWelcome(await connection.open(this.#hello()), sentAtMs);
    await this.#options.onJoined?.(welcome);
    if (connection.lost) throw connection.lost;
    this.#welcome = welcome;
    this.#connected = true;
    this.#error = undefined;
    this.#sinceMs = this.#clock.monotonicMs();
    this.#views.heard();
    this.#views.connected(welcome.storeId, (request) => {
      if (request.case === "subscribe") {
        connection.send({
          case: "subscribe",
          value: { $typeName: "heddle.control.v1.Subscribe", ...request.value },
        });
      } else {
        connection.send({
          case: "unsubscribe",
          value: { $typeName: "heddle.control.v1.Unsubscribe", ...request.value },
        });
      }
    });
    this.#sync?.connected((sequence, body) => {
      connection.send({
        case: "registrations",
        value: { $typeName: "heddle.control.v1.Registrations", sequence, body },
      });
    });
    this.#log({ kind: "connected", address: connection.server, welcome });
    for (const listener of this.#listeners) listener(this.state);
  }

  #hello(): Hello {
    return helloOf(this.node, this.#options.heldTerm?.() ?? this.#welcome);
  }

  #receive(connection: Connection, kind: ServerMessage["kind"]): void {
    this.#views.heard();
    switch (kind.case) {
      case "view":
        this.#views.receive(kind.value);
        return;
      case "registrationsAck":
        this.#sync?.acknowledged(kind.value);
        return;
      case "renewed": {
        const { sequence, epoch, reclaimAfterMs } = kind.value;
        const sentAtMs = connection.sentAtMs(sequence);
        if (sentAtMs === undefined) return;
        this.#options.onRenewed?.({ epoch: Number(epoch), reclaimAfterMs: Number(reclaimAfterMs), sentAtMs });
        return;
      }
      case "emptyBlocksWanted":
        this.#options.onEmptyBlocksWanted?.({ network: kind.value.network, deleting: kind.value.deleting });
        return;
      case "welcome":
      case "heartbeat":
      case undefined:
        return;
      default:
        kind satisfies never;
    }
  }

  #disconnected(address: string, error: FabricError): void {
    this.#connected = false;
    this.#error = error;
    this.#sinceMs = this.#clock.monotonicMs();
    this.#heardAtMs = this.#connection?.heardAtMs;
    this.#views.disconnected();
    this.#sync?.disconnected(error);
    this.#log({ kind: "disconnected", address, error });
    for (const listener of this.#listeners) listener(this.state);
  }

  #refused(address: string, error: FabricError): void {
    this.#error = error;
    this.#log({ kind: "refused", address, error });
  }

  #log(event: ControlEvent): void {
    this.#options.log?.(event);
  }
}

function unavailable(action: string, last: FabricError | undefined, cause?: unknown): FabricError {
  const why = last ? ` (${last.message})` : "";
  return new FabricError(
    "CONTROL_UNAVAILABLE",
    `${action}: no server is connected${why}; servers are tried again by themselves`,
    {
      cause: cause ?? last,
    },
  );
}
