/**
 * An agent's way to a server, in place of gRPC: a session over a wire, calls beside it that overtake it and each other,
 * arrive late, after their caller has given up, or are answered when nobody waits any more. A server that is cut off,
 * without power or frozen does not refuse: nothing is heard of it.
 */
import { EventEmitter } from "node:events";
import { fromBinary } from "@bufbuild/protobuf";
import { type ServiceError, status } from "@grpc/grpc-js";
import type {
  CallOptions,
  Channel,
  ControlStream,
  HttpStream,
  OpenChannel,
} from "../../../control/agent/channel.ts";
import type { UnaryInput, UnaryName, UnaryOutput } from "../../../control/control-service.ts";
import { type AgentMessage, ServerMessageSchema } from "../../../control/proto/gen/fabric_pb.ts";
import { fromServiceError } from "../../../control/wire-error.ts";
import type { Life, Machine } from "./life.ts";
import type { ServerProcess } from "./server-process.ts";
import { Wire } from "./wire.ts";
import type { World } from "./world.ts";

export type ServerAt = (life: Life) => ServerProcess | undefined;

export function simulatedChannels(world: World, life: Life, serverAt: ServerAt): OpenChannel {
  return (name) => {
    const machine = world.servers.find((server) => server.name === name) as Machine;
    return new SimulatedChannel(world, life, machine, serverAt);
  };
}

class SimulatedChannel implements Channel {
  readonly #world: World;
  readonly #life: Life;
  readonly #server: Machine;
  readonly #serverAt: ServerAt;
  /** The process that was reached. */
  #reached: Life | undefined;
  readonly #closed = Promise.withResolvers<void>();

  constructor(world: World, life: Life, server: Machine, serverAt: ServerAt) {
    this.#world = world;
    this.#life = life;
    this.#server = server;
    this.#serverAt = serverAt;
  }

  async reached(timeoutMs: number): Promise<void> {
    try {
      await this.#within(timeoutMs, this.#reach());
    } catch (error) {
      throw fromServiceError(error as ServiceError, "connect", this.#server.name);
    }
  }

  async #reach(): Promise<void> {
    await this.#world.scheduler.point(this.#life, `→ ${this.#server.name} connect`);
    await this.#there();
    await this.#back();
    const at = this.#server.life;
    if (!at?.isAlive || !this.#serverAt(at)) throw failed(status.UNAVAILABLE);
    this.#reached = at;
  }

  session(): ControlStream {
    const at = this.#reached as Life;
    const stream = new AgentStream(this.#world, this.#life, at, this.#serverAt(at));
    return stream as unknown as ControlStream;
  }

  async call<Name extends UnaryName>(
    name: Name,
    request: UnaryInput<Name>,
    { action, timeoutMs }: CallOptions,
  ): Promise<UnaryOutput<Name>> {
    try {
      return await this.#within(timeoutMs, this.#ask(name, request));
    } catch (error) {
      throw fromServiceError(error as ServiceError, action, this.#server.name);
    }
  }

  httpStream(): HttpStream {
    throw failed(status.UNIMPLEMENTED);
  }

  close(): void {
    this.#closed.resolve();
  }

  async #ask<Name extends UnaryName>(name: Name, request: UnaryInput<Name>): Promise<UnaryOutput<Name>> {
    const { scheduler } = this.#world;
    await scheduler.point(this.#life, `→ ${this.#server.name} ${name}`);
    await this.#there();
    const at = this.#server.life;
    const server = at && at === this.#reached && at.isAlive ? this.#serverAt(at) : undefined;
    if (!at || !server) throw failed(status.UNAVAILABLE);
    const outcome = await Promise.race([
      server.call(name, request).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      ),
      at.ended,
    ]);
    await scheduler.point(this.#life, `← ${this.#server.name} ${name}`);
    await this.#back();
    if (!outcome) throw failed(status.UNAVAILABLE);
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  async #within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = this.#life.clock.setTimer(timeoutMs, () => late.reject(failed(status.DEADLINE_EXCEEDED)));
    const closed = this.#closed.promise.then(() => Promise.reject(failed(status.UNAVAILABLE)));
    try {
      return await Promise.race([late.promise, closed, work]);
    } finally {
      timer.cancel();
    }
  }

  async #there(): Promise<void> {
    await this.#world.network.passable(this.#life.machine.name, this.#server.name);
    await this.#server.on();
    await this.#server.awake();
  }

  #back(): Promise<void> {
    return this.#world.network.passable(this.#server.name, this.#life.machine.name);
  }
}

function failed(code: status): Error {
  return Object.assign(new Error(status[code]), { code, details: status[code] });
}

/** What a connection uses of a gRPC stream. */
class AgentStream extends EventEmitter {
  readonly writableNeedDrain = false;
  readonly #wire: Wire;
  readonly #life: Life;
  readonly #server: string;
  readonly #toServer: ((kind: AgentMessage["kind"]) => void) | undefined;
  #isOver = false;

  constructor(world: World, life: Life, at: Life, server: ServerProcess | undefined) {
    super();
    this.#life = life;
    this.#server = at.machine.name;
    this.#wire = new Wire(world, life, at);
    this.#wire.onClose(life, () => {
      this.#fail(failed(status.UNAVAILABLE));
      this.emit("close");
    });
    this.#toServer = server?.accept(this.#wire, {
      message: (bytes) => !this.#isOver && this.emit("data", fromBinary(ServerMessageSchema, bytes)),
      status: (error) => this.#fail(error),
    });
    if (!this.#toServer) this.#wire.close(at);
  }

  write({ kind }: AgentMessage): boolean {
    this.#wire.send(this.#life, kind.case ?? "", () => this.#toServer?.(kind));
    return true;
  }

  end(): void {
    this.cancel();
  }

  cancel(): void {
    this.#isOver = true;
    this.#wire.close(this.#life);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.emit("error", fromServiceError(error as ServiceError, "keep session", this.#server));
  }
}
