/** The server's end of control streams: the real `Session` with all that is behind it, over a wire instead of gRPC. */
import { EventEmitter } from "node:events";
import { create } from "@bufbuild/protobuf";
import { controlServerLimits } from "../../../control/index.ts";
import { type AgentMessage, AgentMessageSchema } from "../../../control/proto/gen/fabric_pb.ts";
import { JoinLine } from "../../../control/server/session/join-line.ts";
import { Session, type SessionContext, type SessionStream } from "../../../control/server/session/session.ts";
import { SessionTable } from "../../../control/server/session/session-table.ts";
import { catalogViewSources } from "../../../control/server/views/catalog-view-sources.ts";
import { fabricViewSource } from "../../../control/server/views/fabric-view-source.ts";
import { ViewHub } from "../../../control/server/views/view-hub.ts";
import type { PoolAuthority } from "../../../ipam/index.ts";
import type { Store } from "../../../store/index.ts";
import type { OpenRegistry } from "./keys-server.ts";
import type { Life } from "./life.ts";
import type { Wire } from "./wire.ts";
import type { World } from "./world.ts";

export interface SessionServerOptions extends OpenRegistry {
  readonly world: World;
  readonly life: Life;
  readonly store: Store;
  readonly pools: PoolAuthority;
}

export class SessionServer {
  readonly #life: Life;
  readonly #context: SessionContext;

  constructor({ world, life, store, pools, registry, writer }: SessionServerOptions) {
    const { clock } = life;
    const limits = controlServerLimits;
    const sources = [fabricViewSource(store, clock), ...catalogViewSources(registry, clock)];
    this.#life = life;
    this.#context = {
      server: life.machine.name,
      version: "simulation",
      registry,
      writer,
      pools,
      store,
      hub: new ViewHub(sources, clock, limits),
      table: new SessionTable(registry),
      joins: new JoinLine(limits.joinsMax),
      clock,
      random: () => world.random.next(),
      limits,
      log: () => undefined,
    };
  }

  /** Answers where the agent's messages go. */
  accept(wire: Wire, toAgent: (bytes: Uint8Array) => void): (kind: AgentMessage["kind"]) => void {
    const stream = new WireStream(wire, this.#life, toAgent);
    new Session(stream as unknown as SessionStream, this.#context);
    return (kind) => stream.emit("data", create(AgentMessageSchema, { kind }));
  }
}

/** What a session uses of a gRPC stream. */
class WireStream extends EventEmitter {
  readonly #wire: Wire;
  readonly #life: Life;
  readonly #toAgent: (bytes: Uint8Array) => void;

  constructor(wire: Wire, life: Life, toAgent: (bytes: Uint8Array) => void) {
    super();
    this.#wire = wire;
    this.#life = life;
    this.#toAgent = toAgent;
    this.on("error", () => wire.close());
    wire.onClose(() => this.emit("close"));
  }

  write(bytes: Uint8Array, taken: () => void): boolean {
    this.#wire.send(this.#life, "update", () => {
      this.#toAgent(bytes);
      taken();
    });
    return true;
  }

  end(): void {
    this.#wire.close();
  }
}
