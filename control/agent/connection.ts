/**
 * One attempt at one server: reach it, say hello, be welcomed, and beat until it is lost. Used once; the client
 * makes the next one. Every way to lose it ends in `onLost`, once.
 */
import { create } from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, type ClientDuplexStream, type ServiceError } from "@grpc/grpc-js";
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { controlService, type UnaryInput, type UnaryName, type UnaryOutput } from "../control-service.ts";
import type { StreamedRequest, StreamedResponse } from "../http-exchange.ts";
import type { ControlClientLimits } from "../limits.ts";
import {
  type AgentMessage,
  AgentMessageSchema,
  type Hello,
  type ServerMessage,
  type Welcome,
} from "../proto/gen/fabric_pb.ts";
import { channelName } from "../trust/index.ts";
import { fromServiceError } from "../wire-error.ts";
import { endingWithChannel } from "./ending-credentials.ts";
import { exchangeStreams, type HttpStream, openHttpStream } from "./http-stream.ts";

export interface ConnectionEvents {
  /** Any message but the welcome. */
  readonly onMessage: (kind: ServerMessage["kind"]) => void;
  readonly onLost: (error: FabricError) => void;
}

/** Heartbeats whose time of sending is remembered for a renewal that names them. */
const beatsRemembered = 64;

export class Connection {
  readonly server: string;
  readonly #clock: Clock;
  readonly #limits: ControlClientLimits;
  readonly #events: ConnectionEvents;
  readonly #client: Client;
  readonly #beats = new Map<bigint, number>();
  /** Ended with the connection: a silent server would leave them open. */
  readonly #httpStreams = new Set<HttpStream>();
  #stream: ClientDuplexStream<AgentMessage, ServerMessage> | undefined;
  #timer: Timer | undefined;
  #sequence = 0n;
  #heardAtMs = 0;
  #welcomed: ((welcome: Welcome) => void) | undefined;
  #rejectOpen: ((error: FabricError) => void) | undefined;
  #lost: FabricError | undefined;

  constructor(
    server: string,
    channel: ChannelCredentials,
    clock: Clock,
    limits: ControlClientLimits,
    events: ConnectionEvents,
  ) {
    this.server = server;
    this.#clock = clock;
    this.#limits = limits;
    this.#events = events;
    this.#client = new Client(server, endingWithChannel(channel), {
      ...channelName,
      "grpc.max_receive_message_length": limits.messageMaxBytes,
      "grpc.max_send_message_length": limits.messageMaxBytes,
      // Otherwise an attempt would inherit the back-off of an earlier one.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
    });
  }

  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Why it is over. */
  get lost(): FabricError | undefined {
    return this.#lost;
  }

  /** The monotonic time at which the heartbeat was sent, if it is remembered. */
  sentAtMs(sequence: bigint): number | undefined {
    return this.#beats.get(sequence);
  }

  /** @throws what the server refused with, CONTROL_UNAVAILABLE, CONTROL_TIMEOUT */
  async open(hello: Hello): Promise<Welcome> {
    await this.#reach();
    return new Promise((resolve, reject) => {
      this.#timer = this.#clock.setTimer(this.#limits.welcomeTimeoutMs, () =>
        this.#lose(this.#silent("welcome")),
      );
      const { path, requestSerialize, responseDeserialize } = controlService.session;
      const stream = this.#client.makeBidiStreamRequest(
        path,
        requestSerialize,
        responseDeserialize as (bytes: Buffer) => ServerMessage,
      );
      this.#stream = stream;
      stream.on("data", (message: ServerMessage) => this.#receive(message));
      stream.on("error", (error: ServiceError) =>
        this.#lose(fromServiceError(error, "keep session", this.server)),
      );
      stream.on("end", () => this.#lose(this.#gone("it ended the session")));
      this.#welcomed = resolve;
      this.#rejectOpen = reject;
      this.send({ case: "hello", value: hello });
    });
  }

  send(kind: AgentMessage["kind"]): void {
    if (this.#lost) return;
    this.#stream?.write(create(AgentMessageSchema, { kind }));
  }

  /** @throws what the server answered with, CONTROL_UNAVAILABLE, CONTROL_TIMEOUT, the signal's reason */
  call<Name extends UnaryName>(
    name: Name,
    request: UnaryInput<Name>,
    options: {
      readonly action: string;
      readonly timeoutMs: number;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<UnaryOutput<Name>> {
    const { path, requestSerialize, responseDeserialize } = controlService[name];
    const { action, timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#lost) return reject(this.#lost);
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize as (value: UnaryInput<Name>) => Buffer,
        responseDeserialize as (bytes: Buffer) => UnaryOutput<Name>,
        request,
        { deadline: new Date(Date.now() + timeoutMs) },
        (error, reply) => {
          signal?.removeEventListener("abort", onAbort);
          if (signal?.aborted) reject(signal.reason);
          else if (error) reject(fromServiceError(error, action, this.server));
          else if (reply) resolve(reply);
        },
      );
      const onAbort = () => call.cancel();
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** @throws what the server answered with, CONTROL_UNAVAILABLE, the signal's reason */
  async stream(request: StreamedRequest, signal: AbortSignal | undefined): Promise<StreamedResponse> {
    if (this.#lost) throw this.#lost;
    const stream = openHttpStream(this.#client);
    this.#httpStreams.add(stream);
    stream.once("close", () => this.#httpStreams.delete(stream));
    return exchangeStreams(stream, request, this.server, signal);
  }

  get streams(): number {
    return this.#httpStreams.size;
  }

  /** Ends it; `goodbye` lets the server know that the node is gone. Nothing is called back afterwards. */
  async close(goodbye: boolean): Promise<void> {
    if (this.#lost) return;
    const stream = this.#stream;
    if (goodbye && stream) {
      const ended = new Promise<void>((resolve) => {
        const timer = this.#clock.setTimer(goodbyeWaitMs, resolve);
        stream.once("close", () => {
          timer.cancel();
          resolve();
        });
      });
      this.send({ case: "goodbye", value: { $typeName: "heddle.control.v1.Goodbye" } });
      stream.end();
      this.#release(this.#gone("the client was closed"));
      await ended;
    } else {
      this.#release(this.#gone("the client was closed"));
    }
    stream?.cancel();
    this.#client.close();
  }

  #reach(): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (reason: string) => {
        const error = this.#gone(reason);
        this.#lose(error);
        reject(error);
      };
      const timer = this.#clock.setTimer(this.#limits.connectTimeoutMs, () => failed("it does not answer"));
      this.#client.waitForReady(Date.now() + this.#limits.connectTimeoutMs, (error) => {
        timer.cancel();
        if (this.#lost) reject(this.#lost);
        else if (error) failed("it does not answer");
        else resolve();
      });
    });
  }

  #receive({ kind }: ServerMessage): void {
    if (this.#lost) return;
    this.#heardAtMs = this.#clock.monotonicMs();
    const welcomed = this.#welcomed;
    if (!welcomed) {
      this.#events.onMessage(kind);
      return;
    }
    if (kind.case !== "welcome") return;
    this.#welcomed = undefined;
    const { heartbeatIntervalMs, deadAfterMs } = kind.value;
    this.#beat(Math.max(heartbeatIntervalMs, heartbeatFloorMs), Math.max(deadAfterMs, heartbeatFloorMs));
    welcomed(kind.value);
  }

  #beat(intervalMs: number, deadAfterMs: number): void {
    this.#timer?.cancel();
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#heardAtMs >= deadAfterMs) {
      this.#lose(this.#silent("heartbeat"));
      return;
    }
    this.#sequence += 1n;
    this.#beats.set(this.#sequence, nowMs);
    for (const old of this.#beats.keys()) {
      if (this.#beats.size <= beatsRemembered) break;
      this.#beats.delete(old);
    }
    // Behind a full stream a heartbeat would only wait; the server hears what is in it.
    if (!this.#stream?.writableNeedDrain) {
      this.send({
        case: "heartbeat",
        value: { $typeName: "heddle.control.v1.Heartbeat", sequence: this.#sequence },
      });
    }
    this.#timer = this.#clock.setTimer(intervalMs, () => this.#beat(intervalMs, deadAfterMs));
  }

  #lose(error: FabricError): void {
    if (this.#lost) return;
    this.#release(error);
    this.#stream?.cancel();
    this.#client.close();
    this.#events.onLost(error);
  }

  #release(error: FabricError): void {
    this.#lost = error;
    this.#timer?.cancel();
    for (const stream of this.#httpStreams) stream.cancel();
    this.#rejectOpen?.(error);
  }

  #silent(what: string): FabricError {
    return new FabricError(
      "CONTROL_TIMEOUT",
      `keep session: no ${what} of server ${this.server} in time; it is tried again by itself`,
      {
        details: { server: this.server },
      },
    );
  }

  #gone(reason: string): FabricError {
    return new FabricError(
      "CONTROL_UNAVAILABLE",
      `keep session: server ${this.server}: ${reason}; it is tried again by itself`,
      {
        details: { server: this.server },
      },
    );
  }
}

/** However a server is configured, an agent beats no faster. */
const heartbeatFloorMs = 10;
/** Time for the last word to reach the server. */
const goodbyeWaitMs = 1000;
