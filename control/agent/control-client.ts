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
import { FabricError } from "../../errors/index.ts";
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
import { type Hello, HttpRequestSchema, type ServerMessage } from "../proto/gen/fabric_pb.ts";
import { type Channel, grpcChannels } from "./channel.ts";
import type { ControlClientOptions, ControlEvent, ControlState, ServerWelcome } from "./client-contract.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { type Attempts, firstReached } from "./first-reached.ts";
import { helloOf, readWelcome, viewMessageOf } from "./greeting.ts";
import { serverThatTakes } from "./other-server.ts";
import { Patience } from "./patience.ts";
import { RegistrationSync } from "./registration-sync.ts";
import { restate, restateAction } from "./restate.ts";
import {
  afterSession,
  firstChoice,
  restOfRound,
  type ServerChoice,
  type SessionEnd,
  waitBeforeMs,
} from "./server-choice.ts";
import { StoreContact } from "./store-contact.ts";
import { joinFailure, tooManyCalls, unavailable } from "./unavailable.ts";
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
  readonly #patience: Patience;
  readonly #store: StoreContact;
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
  /** Ends the session of now. */
  #lose: (error: FabricError) => void = noop;
  #moveTo: string | undefined;
  #isLooking = false;

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
    this.#patience = new Patience(limits, options.servers.length);
    this.#store = new StoreContact(clock);
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
      storeSilentMs: this.#store.silentMs,
      welcome: this.#welcome,
      error: this.#error,
      views: this.#views.size,
    };
  }

  /** Calls back when connected or disconnected, and when the server lost its store or has it again. Answers how to stop. */
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
    if (this.#calls + (this.#connection?.streams ?? 0) >= callsMax) throw tooManyCalls(action, callsMax);
  }

  async #run(): Promise<void> {
    const { servers } = this.#options;
    const { signal } = this.#ending;
    const attempts: Attempts<Connection> = {
      begin: (address) => this.#begin(address),
      failed: (address, error) => this.#refused(address, joinFailure(error)),
      ...{ clock: this.#clock, random: this.#random, limits: this.#limits, signal },
    };
    let choice: ServerChoice = firstChoice;
    while (!signal.aborted) {
      const waitMs = waitBeforeMs(choice, servers.length, this.#limits, this.#random);
      if (waitMs > 0) await this.#clock.sleep(waitMs, signal).catch(noop);
      if (signal.aborted) return;
      const round = restOfRound(choice, servers.length);
      const addresses = round.map(({ next }) => servers[next] ?? "");
      const reached = await firstReached(addresses, attempts);
      choice = round[reached?.index ?? round.length - 1] ?? choice;
      const ended = reached && (await this.#session(reached.candidate));
      if (this.#moveTo !== undefined) {
        choice = { next: servers.indexOf(this.#moveTo), failures: 0 };
        this.#moveTo = undefined;
        continue;
      }
      choice = afterSession(choice, servers.length, ended, this.#limits);
    }
  }

  async #begin(address: string): Promise<Connection | undefined> {
    this.#address = address;
    const connection = await this.#connectionTo(address, {
      onMessage: (kind) => this.#receive(connection as Connection, kind),
      onLost: (error) => connection === this.#connection && this.#lose(error),
      patienceMs: (intervalMs, deadAfterMs) => this.#patience.ms(intervalMs, deadAfterMs),
    });
    return connection;
  }

  /** One connection from the greeting to its end. */
  async #session(connection: Connection): Promise<SessionEnd> {
    const address = connection.server;
    const losing = Promise.withResolvers<FabricError>();
    this.#address = address;
    this.#connection = connection;
    this.#store.reset();
    this.#lose = losing.resolve;
    const ending = () => losing.resolve(this.#ending.signal.reason as FabricError);
    this.#ending.signal.addEventListener("abort", ending, { once: true });
    const failed = this.#join(connection).then(() => losing.promise, joinFailure);
    const error = await Promise.race([losing.promise, failed]);
    this.#ending.signal.removeEventListener("abort", ending);
    const stoodMs = this.#connected ? this.#clock.monotonicMs() - this.#sinceMs : 0;
    this.#patience.ended(stoodMs, connection.isSilent);
    if (this.#connected) this.#disconnected(address, error);
    else this.#refused(address, error);
    await connection.close(false);
    this.#connection = undefined;
    if (error.code === "IPAM_RECOVERING") await this.#restate(address);
    return { stoodMs, code: error.code };
  }

  /** The servers gather the address plan: they hear what this node holds, and let it in later. */
  async #restate(address: string): Promise<void> {
    const statement = this.#options.statement?.();
    const channel = statement && (await this.#channelTo(address));
    if (!channel) return;
    const said = { node: this.node.name, hello: this.#hello(), statement };
    await restate(channel, said, this.#limits, this.#ending.signal).then(
      () => this.#log({ kind: "restated", address }),
      (error: unknown) => this.#log({ kind: "failed", action: restateAction, error }),
    );
  }

  async #lookElsewhere(connection: Connection): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const isOver = () => connection.lost !== undefined || this.#connection !== connection;
    const found = await serverThatTakes({
      servers: this.#options.servers.filter((address) => address !== connection.server),
      connect: (address) => this.#connectionTo(address, { onMessage: noop, onLost: noop }),
      hello: () => this.#hello(),
      isOver,
    });
    this.#isLooking = false;
    if (found === undefined || isOver()) return;
    this.#moveTo = found;
    const why = `server ${connection.server} has lost its store, server ${found} has not`;
    this.#lose(unavailable(`keep session: ${why}`, undefined));
  }

  async #connectionTo(address: string, events: ConnectionEvents): Promise<Connection | undefined> {
    const channel = await this.#channelTo(address);
    return channel && new Connection(address, channel, this.#clock, this.#limits, events);
  }

  /** Undefined, and told, when there are no credentials. */
  async #channelTo(address: string): Promise<Channel | undefined> {
    const { channels = grpcChannels(this.#limits) } = this.#options;
    try {
      return channels(address, await this.#credentials(address));
    } catch (error) {
      this.#refused(address, joinFailure(error));
      return undefined;
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
    this.#views.connected(welcome.storeId, (request) => connection.send(viewMessageOf(request)));
    this.#sync?.connected((sequence, body) => {
      connection.send({
        case: "registrations",
        value: { $typeName: "heddle.control.v1.Registrations", sequence, body },
      });
    });
    this.#log({ kind: "connected", address: connection.server, welcome });
    this.#tell();
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
      case "storeLost":
        if (this.#store.lost(Number(kind.value.silentMs)) && this.#connected) this.#tell();
        void this.#lookElsewhere(connection);
        return;
      case "heartbeat":
        if (this.#store.heartbeat()) this.#tell();
        return;
      case "welcome":
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
    this.#tell();
  }

  #tell(): void {
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

function noop(): void {}
