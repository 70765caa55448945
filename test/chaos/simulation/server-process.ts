/**
 * One life of a server: the real address plan, registry, sessions, views, calls and the work of the elected one over its
 * way to the store; a wire instead of gRPC. It lives and dies with the process, and opens until the store answers.
 */

import { EventEmitter } from "node:events";
import { create } from "@bufbuild/protobuf";
import type { ServerUnaryCall } from "@grpc/grpc-js";
import { Deadlines } from "../../../clock/index.ts";
import type { UnaryInput, UnaryName, UnaryOutput } from "../../../control/control-service.ts";
import { controlServerLimits } from "../../../control/index.ts";
import { type AgentMessage, AgentMessageSchema } from "../../../control/proto/gen/fabric_pb.ts";
import { CallCount } from "../../../control/server/calls/call-count.ts";
import { type UnaryHandlers, unaryHandlers } from "../../../control/server/calls/unary-calls.ts";
import { JoinLine } from "../../../control/server/session/join-line.ts";
import { Session, type SessionContext, type SessionStream } from "../../../control/server/session/session.ts";
import { SessionTable } from "../../../control/server/session/session-table.ts";
import { catalogViewSources } from "../../../control/server/views/catalog-view-sources.ts";
import { fabricViewSource } from "../../../control/server/views/fabric-view-source.ts";
import { ViewHub } from "../../../control/server/views/view-hub.ts";
import { runSingletons } from "../../../daemon/servers/singletons.ts";
import { type EmptyBlocksRequest, PoolAuthority } from "../../../ipam/index.ts";
import type { Store } from "../../../store/index.ts";
import { KeysServer, type OpenRegistry } from "./keys-server.ts";
import type { Life } from "./life.ts";
import { quietLog } from "./quiet-log.ts";
import { storeLink } from "./store-link.ts";
import type { Wire } from "./wire.ts";
import type { World } from "./world.ts";

export interface ToAgent {
  readonly message: (bytes: Uint8Array) => void;
  readonly status: (status: unknown) => void;
}

/** A planted bug lets time run so much faster for whoever takes blocks back. */
const hurry = 2;

export class ServerProcess {
  readonly pools: PoolAuthority;
  readonly keys: KeysServer;
  readonly #world: World;
  readonly #life: Life;
  readonly #store: Store;
  #sessions: SessionContext | undefined;
  #calls: UnaryHandlers | undefined;

  constructor(world: World, life: Life) {
    const { store, network, scheduler, bug, pace } = world;
    const { clock } = life;
    this.#world = world;
    this.#life = life;
    this.#store = storeLink({
      store,
      life,
      network,
      scheduler,
      resumesLate: bug === "late resume",
      outlivesLease: bug === "no lease",
    });
    const ahead = { ...clock, monotonicMs: () => clock.monotonicMs() * hurry };
    this.pools = new PoolAuthority(this.#store, bug === "early reclaim" ? ahead : clock, {
      reclaimAfterMs: pace.reclaimAfterMs,
      askForEmptyBlocks: (request) => this.#askForEmptyBlocks(request),
    });
    this.keys = new KeysServer(world, life, this.#store, (open) => this.#serve(open));
  }

  /** Answers where the agent's messages go; undefined while nobody listens. */
  accept(wire: Wire, toAgent: ToAgent): ((kind: AgentMessage["kind"]) => void) | undefined {
    if (!this.#sessions) return undefined;
    const stream = new WireStream(wire, this.#life, toAgent);
    new Session(stream as unknown as SessionStream, this.#sessions);
    return (kind) => stream.emit("data", create(AgentMessageSchema, { kind }));
  }

  /** @throws the status that gRPC would carry */
  call<Name extends UnaryName>(name: Name, request: UnaryInput<Name>): Promise<UnaryOutput<Name>> {
    const handler = this.#calls?.[name];
    if (!handler) return Promise.reject(new Error("nobody listens"));
    const call = Object.assign(new EventEmitter(), { request, cancelled: false });
    return new Promise((resolve, reject) => {
      handler(call as unknown as ServerUnaryCall<UnaryInput<Name>, UnaryOutput<Name>>, (error, reply) =>
        reply ? resolve(reply) : reject(error),
      );
    });
  }

  #serve({ registry, writer }: OpenRegistry): void {
    const { clock, machine } = this.#life;
    const limits = { ...controlServerLimits, ...this.#world.pace.server };
    const log = quietLog(this.#world);
    const sources = [fabricViewSource(this.#store, clock), ...catalogViewSources(registry, clock)];
    this.#sessions = {
      server: machine.name,
      version: "simulation",
      registry,
      writer,
      pools: this.pools,
      store: this.#store,
      hub: new ViewHub(sources, clock, limits),
      table: new SessionTable(registry),
      deadlines: new Deadlines(clock),
      joins: new JoinLine(limits.joinsMax),
      clock,
      random: () => this.#world.random.next(),
      limits,
      log: (event) => event.kind === "failed" && log.error(event, event.action),
    };
    this.#calls = unaryHandlers({
      pools: this.pools,
      datacenter: registry.datacenter,
      http: () => Promise.reject(new Error("no HTTP here")),
      calls: new CallCount(limits),
      log: (_, error) => log.error({ error }, "call"),
    });
    const { name } = machine;
    runSingletons({ store: this.#store, shared: true, registry, pools: this.pools, name, clock, log });
  }

  async #askForEmptyBlocks(request: EmptyBlocksRequest): Promise<void> {
    const { table, limits, clock } = this.#sessions ?? {};
    if (!table || !limits || !clock || table.size === 0) return;
    for (const session of table.values()) session.wantEmptyBlocks(request);
    await clock.sleep(limits.emptyBlocksWaitMs);
  }
}

/** What a session uses of a gRPC stream. */
class WireStream extends EventEmitter {
  readonly #wire: Wire;
  readonly #life: Life;
  readonly #toAgent: ToAgent;

  constructor(wire: Wire, life: Life, toAgent: ToAgent) {
    super();
    this.#wire = wire;
    this.#life = life;
    this.#toAgent = toAgent;
    this.on("error", (status: unknown) => {
      wire.send(life, "status", () => toAgent.status(status));
      wire.close(life);
    });
    wire.onClose(life, () => this.emit("close"));
  }

  write(bytes: Uint8Array, taken: () => void): boolean {
    this.#wire.send(this.#life, "update", () => {
      this.#toAgent.message(bytes);
      taken();
    });
    return true;
  }

  end(): void {
    this.#wire.close(this.#life);
  }
}
