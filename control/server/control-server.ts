/**
 * The server's end of the control protocol. It holds sessions and computed views, no truth: kill it and its
 * agents go on at another one.
 */
import { type Clock, Deadlines } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { EmptyBlocksRequest } from "../../ipam/index.ts";
import type { RegistryReads, RegistryWrites } from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";
import { controlService, type UnaryName } from "../control-service.ts";
import type { HttpHandler, HttpStreamHandler } from "../http-exchange.ts";
import { type ControlServerLimits, controlServerLimits } from "../limits.ts";
import type { TrustBook } from "../trust/index.ts";
import { CallCount } from "./calls/call-count.ts";
import type { PoolService } from "./calls/pool-service.ts";
import { serveCalls } from "./calls/serve-calls.ts";
import { GrpcServer } from "./grpc/grpc-server.ts";
import { Gate } from "./listen/gate.ts";
import { assertMayListen, isExposed, isSocket, type Listener, listen } from "./listen/listen.ts";
import {
  listenSecurely,
  type SecureListener,
  serveRenewal,
  type TrustEvent,
} from "./listen/secure-listener.ts";
import { JoinLine } from "./session/join-line.ts";
import { keepReturningNodes } from "./session/returning-nodes.ts";
import { Session, type SessionContext, type SessionEvent, type SessionStream } from "./session/session.ts";
import { SessionTable } from "./session/session-table.ts";
import { catalogViewSources } from "./views/catalog-view-sources.ts";
import { fabricViewSource } from "./views/fabric-view-source.ts";
import { keyViewSource } from "./views/key-view-source.ts";
import { nodeListViewSource } from "./views/node-list-view-source.ts";
import { trustViewSource } from "./views/trust-view-source.ts";
import { ViewHub } from "./views/view-hub.ts";
import type { ViewSource } from "./views/view-source.ts";

export type ControlServerEvent =
  | SessionEvent
  | TrustEvent
  | { readonly kind: "exposed"; readonly address: string }
  | { readonly kind: "keepFailed"; readonly error: unknown }
  | { readonly kind: "callFailed"; readonly method: UnaryName | "httpStream"; readonly error: unknown };

export interface ControlServerOptions {
  /** Shown to agents and in their status. */
  readonly name: string;
  readonly version: string;
  readonly registry: RegistryReads;
  readonly writer: RegistryWrites;
  readonly pools: PoolService;
  readonly store: Store;
  /** Serves requests to the HTTP API that were made on an agent. */
  readonly http: HttpHandler;
  /** The same with streams for bodies. */
  readonly httpStream: HttpStreamHandler;
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads renewals. */
  readonly random?: () => number;
  readonly limits?: Partial<ControlServerLimits>;
  /** Nodes that connect over TCP show certificates of this. Without it they connect in plain text. */
  readonly trust?: TrustBook;
  /** Allows to listen beyond this machine in plain text. */
  readonly insecure?: boolean;
  /** No other server serves this store: after a restart, nodes are kept alive until their agents are back. */
  readonly isOnlyServer?: boolean;
  /** More views than those of the fabric and the catalog. */
  readonly views?: readonly ViewSource[];
  readonly log?: (event: ControlServerEvent) => void;
}

export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #limits: ControlServerLimits;
  readonly #grpc: GrpcServer;
  readonly #table: SessionTable;
  readonly #deadlines: Deadlines;
  readonly #hub: ViewHub;
  readonly #sessions: SessionContext;
  readonly #streams = new Set<Session>();
  readonly #gate: Gate;
  readonly #plain: Listener[] = [];
  readonly #secure: SecureListener[] = [];
  readonly #ending = new AbortController();

  constructor(options: ControlServerOptions) {
    const limits = { ...controlServerLimits, ...options.limits };
    const { registry, store, clock } = options;
    this.#options = options;
    this.#limits = limits;
    this.#table = new SessionTable(registry);
    const { enteringMax, knocksWaitingMax: waitingMax, knockWaitMs: waitMaxMs, enterMs: passMaxMs } = limits;
    this.#deadlines = new Deadlines(clock);
    this.#gate = new Gate({ clock, enteringMax, waitingMax, waitMaxMs, passMaxMs });
    const sources = [
      fabricViewSource(store, clock),
      ...catalogViewSources(registry, clock),
      keyViewSource(registry, limits),
      nodeListViewSource(registry, clock),
      ...(options.trust ? [trustViewSource(options.trust, store)] : []),
      ...(options.views ?? []),
    ];
    this.#hub = new ViewHub(sources, clock, limits);
    this.#grpc = this.#newGrpc();
    const log = (event: ControlServerEvent) => options.log?.(event);
    const { pools, http, httpStream } = options;
    serveCalls(this.#grpc, {
      ...{ pools, http, httpStream },
      datacenter: registry.datacenter,
      calls: new CallCount(limits),
      log: (method, error) => log({ kind: "callFailed", method, error }),
    });
    this.#sessions = this.#sessionContext(log);
    this.#grpc.serve(controlService.session, (stream: SessionStream) => this.#accept(stream));
    if (options.trust) serveRenewal(this.#grpc, options.trust, registry, log);
    if (options.isOnlyServer) {
      const { signal } = this.#ending;
      keepReturningNodes({ store, clock, limits, signal }).catch((error: unknown) => {
        if (!signal.aborted) log({ kind: "keepFailed", error });
      });
    }
  }

  /** Listens on `HOST:PORT` or `unix:PATH`; port 0 is any. Answers the address. @throws CONTROL_INSECURE, CONTROL_LISTEN_FAILED */
  async listen(address: string): Promise<string> {
    const { trust, name, store, clock } = this.#options;
    const shared = { grpc: this.#grpc, gate: this.#gate, clock };
    if (trust && !isSocket(address)) {
      const log = (event: ControlServerEvent) => this.#options.log?.(event);
      const listener = await listenSecurely(address, {
        ...shared,
        strangers: this.#newGrpc(),
        name,
        trust,
        store,
        log,
      });
      this.#secure.push(listener);
      return listener.address;
    }
    assertMayListen(address, this.#options.insecure ?? false);
    const { acceptQueueMax } = this.#limits;
    const graceMs = shutdownGraceMs;
    const listener = await listen(address, { ...shared, acceptQueueMax, graceMs });
    this.#plain.push(listener);
    if (isExposed(address)) this.#options.log?.({ kind: "exposed", address: listener.address });
    return listener.address;
  }

  /** Asks all agents of this server to give empty blocks back, and waits as long as they have for it. */
  async askForEmptyBlocks(request: EmptyBlocksRequest): Promise<void> {
    if (this.#table.size === 0) return;
    for (const session of this.#table.values()) session.wantEmptyBlocks(request);
    await this.#options.clock.sleep(this.#limits.emptyBlocksWaitMs);
  }

  /** Ends the sessions of now: their nodes come again and are told why. */
  endSessions(error: FabricError): void {
    for (const session of [...this.#streams]) session.end(error);
  }

  status(): {
    readonly sessions: number;
    readonly views: number;
    /** Connections that are not sessions yet; `turnedAway` since the start. */
    readonly gate: ReturnType<Gate["status"]>;
  } {
    return { sessions: this.#table.size, views: this.#hub.size, gate: this.#gate.status() };
  }

  /** Ends all sessions; their nodes stay alive for their TTL, time to reach another server. */
  async close(): Promise<void> {
    this.#ending.abort();
    this.#gate.close();
    for (const session of [...this.#streams]) session.end(stopping());
    this.#hub.close();
    for (const listener of this.#secure) await listener.close();
    await Promise.all([
      ...this.#plain.map((listener) => listener.close()),
      this.#grpc.close(shutdownGraceMs),
    ]);
  }

  #newGrpc(): GrpcServer {
    const { messageMaxBytes, callsPerAgentMax, helloTimeoutMs } = this.#limits;
    return new GrpcServer({
      clock: this.#options.clock,
      deadlines: this.#deadlines,
      messageMaxBytes,
      callsPerConnectionMax: callsPerAgentMax + streamsBesideCalls,
      idleMs: helloTimeoutMs,
    });
  }

  #sessionContext(log: (event: ControlServerEvent) => void): SessionContext {
    const { name: server, random = Math.random, ...options } = this.#options;
    const { version, registry, writer, pools, store, clock } = options;
    return {
      ...{ server, version, registry, writer, pools, store, clock, random, log },
      hub: this.#hub,
      table: this.#table,
      deadlines: this.#deadlines,
      joins: new JoinLine(this.#limits.joinsMax),
      limits: this.#limits,
      joined: (stream) => this.#gate.passed(stream.caller.address),
      gone: (session) => this.#streams.delete(session),
    };
  }

  #accept(stream: SessionStream): void {
    if (this.#ending.signal.aborted) stream.fail(stopping());
    else if (this.#streams.size >= this.#limits.sessionsMax) stream.fail(full(this.#limits.sessionsMax));
    else this.#streams.add(new Session(stream, this.#sessions));
  }
}

/** The session, and one that takes its place. */
const streamsBesideCalls = 8;
/** Time for last words to agents; calls that are still under way then are cut. */
const shutdownGraceMs = 500;

function stopping(): FabricError {
  return new FabricError(
    "CONTROL_CLOSED",
    "keep session: the server is stopping; another one is tried by itself",
  );
}

function full(sessionsMax: number): FabricError {
  return new FabricError(
    "CONTROL_LIMIT",
    `open session: the server has ${sessionsMax} agents already; add a server or raise sessionsMax`,
    { details: { limit: "sessionsMax", max: sessionsMax } },
  );
}
