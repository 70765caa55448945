/**
 * One life of a server: the real address plan, registry, sessions, views, calls and the work of the elected one over its
 * way to the store; a wire instead of gRPC. It lives and dies with the process, and opens until the store answers.
 */
import { create } from "@bufbuild/protobuf";
import { Deadlines } from "../../../clock/index.ts";
import type { UnaryInput, UnaryName, UnaryOutput } from "../../../control/control-service.ts";
import { FrameReader } from "../../../control/grpc-frames.ts";
import { controlServerLimits } from "../../../control/index.ts";
import { type AgentMessage, AgentMessageSchema } from "../../../control/proto/gen/fabric_pb.ts";
import { CallCount } from "../../../control/server/calls/call-count.ts";
import { type UnaryCalls, unaryCalls } from "../../../control/server/calls/unary-calls.ts";
import type { StreamReader } from "../../../control/server/grpc/server-stream.ts";
import { JoinLine } from "../../../control/server/session/join-line.ts";
import { Session, type SessionContext, type SessionStream } from "../../../control/server/session/session.ts";
import { SessionTable } from "../../../control/server/session/session-table.ts";
import { catalogViewSources } from "../../../control/server/views/catalog-view-sources.ts";
import { fabricViewSource } from "../../../control/server/views/fabric-view-source.ts";
import { ViewHub } from "../../../control/server/views/view-hub.ts";
import { toWireStatus } from "../../../control/wire-error.ts";
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
  #calls: UnaryCalls | undefined;

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
    new Session(stream, this.#sessions);
    return (kind) => stream.receive(create(AgentMessageSchema, { kind }));
  }

  /** @throws the status that gRPC would carry */
  async call<Name extends UnaryName>(name: Name, request: UnaryInput<Name>): Promise<UnaryOutput<Name>> {
    const work = this.#calls?.[name];
    if (!work) throw new Error("nobody listens");
    try {
      return await work(request, new AbortController().signal);
    } catch (error) {
      quietLog(this.#world).error({ error }, "call");
      throw toWireStatus(error);
    }
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
      joined: () => undefined,
      gone: () => undefined,
    };
    this.#calls = unaryCalls({
      pools: this.pools,
      datacenter: registry.datacenter,
      http: () => Promise.reject(new Error("no HTTP here")),
      calls: new CallCount(limits),
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
class WireStream implements SessionStream {
  readonly caller = { address: "wire", certified: undefined };
  readonly #wire: Wire;
  readonly #life: Life;
  readonly #toAgent: ToAgent;
  #reader: StreamReader<AgentMessage> | undefined;

  constructor(wire: Wire, life: Life, toAgent: ToAgent) {
    this.#wire = wire;
    this.#life = life;
    this.#toAgent = toAgent;
  }

  read(reader: StreamReader<AgentMessage>): void {
    this.#reader = reader;
    this.#wire.onClose(this.#life, () => reader.gone());
  }

  receive(message: AgentMessage): void {
    this.#reader?.message(message);
  }

  writeFrame(frame: Uint8Array, taken: () => void): void {
    const [message] = new FrameReader(frame.length).read(Buffer.from(frame));
    this.#wire.send(this.#life, "update", () => {
      if (message) this.#toAgent.message(message);
      taken();
    });
  }

  fail(error: unknown): void {
    this.#wire.send(this.#life, "status", () => this.#toAgent.status(toWireStatus(error)));
    this.#wire.close(this.#life);
  }

  end(): void {
    this.#wire.close(this.#life);
  }
}
