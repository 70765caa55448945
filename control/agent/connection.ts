/**
 * One attempt at one server: reach it, say hello, be welcomed, and beat until it is lost. Used once; the client
 * makes the next one. Every way to lose it ends in `onLost`, once.
 */
import { create } from "@bufbuild/protobuf";
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import type { UnaryInput, UnaryName, UnaryOutput } from "../control-service.ts";
import type { StreamedRequest, StreamedResponse } from "../http-exchange.ts";
import type { ControlClientLimits } from "../limits.ts";
import {
  type AgentMessage,
  AgentMessageSchema,
  HeartbeatSchema,
  type Hello,
  type ServerMessage,
  type Welcome,
} from "../proto/gen/fabric_pb.ts";
import type { CallOptions, Channel, ControlStream, HttpStream } from "./channel.ts";
import { exchangeStreams } from "./http-stream.ts";

export interface ConnectionEvents {
  /** Any message but the welcome. */
  readonly onMessage: (kind: ServerMessage["kind"]) => void;
  readonly onLost: (error: FabricError) => void;
  /** How long silence is borne when the server asks for these. Default: until it is to be taken for dead. */
  readonly patienceMs?: (heartbeatIntervalMs: number, deadAfterMs: number) => number;
}

/** Heartbeats whose time of sending is remembered for a renewal that names them. */
const beatsRemembered = 64;

export class Connection {
  readonly server: string;
  readonly #clock: Clock;
  readonly #limits: ControlClientLimits;
  readonly #events: ConnectionEvents;
  readonly #channel: Channel;
  readonly #beats = new Map<bigint, number>();
  /** Ended with the connection: a silent server would leave them open. */
  readonly #httpStreams = new Set<HttpStream>();
  #reaching: Promise<void> | undefined;
  #stream: ControlStream | undefined;
  #timer: Timer | undefined;
  #silence: Timer | undefined;
  #isSilent = false;
  #sequence = 0n;
  #heardAtMs = 0;
  #welcomed: ((welcome: Welcome) => void) | undefined;
  #rejectOpen: ((error: FabricError) => void) | undefined;
  #lost: FabricError | undefined;

  constructor(
    server: string,
    channel: Channel,
    clock: Clock,
    limits: ControlClientLimits,
    events: ConnectionEvents,
  ) {
    this.server = server;
    this.#channel = channel;
    this.#clock = clock;
    this.#limits = limits;
    this.#events = events;
  }

  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** It was lost as the server said nothing any more. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** Why it is over. */
  get lost(): FabricError | undefined {
    return this.#lost;
  }

  /** The monotonic time at which the heartbeat was sent, if it is remembered. */
  sentAtMs(sequence: bigint): number | undefined {
    return this.#beats.get(sequence);
  }

  /** As far as the server can be spoken to; nothing is said yet. @throws CONTROL_UNAVAILABLE */
  reach(): Promise<void> {
    this.#reaching ??= this.#reach();
    return this.#reaching;
  }

  /** @throws what the server refused with, CONTROL_UNAVAILABLE, CONTROL_TIMEOUT */
  async open(hello: Hello): Promise<Welcome> {
    await this.reach();
    return new Promise((resolve, reject) => {
      this.#timer = this.#clock.setTimer(this.#limits.welcomeTimeoutMs, () =>
        this.#lose(this.#silent("welcome")),
      );
      const stream = this.#channel.session();
      this.#stream = stream;
      stream.on("data", (message: ServerMessage) => this.#receive(message));
      stream.on("error", (error) => this.#lose(isFabricError(error) ? error : this.#gone(String(error))));
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
  async call<Name extends UnaryName>(
    name: Name,
    request: UnaryInput<Name>,
    options: CallOptions,
  ): Promise<UnaryOutput<Name>> {
    options.signal?.throwIfAborted();
    if (this.#lost) throw this.#lost;
    return this.#channel.call(name, request, options);
  }

  /** @throws what the server answered with, CONTROL_UNAVAILABLE, the signal's reason */
  async stream(request: StreamedRequest, signal: AbortSignal | undefined): Promise<StreamedResponse> {
    if (this.#lost) throw this.#lost;
    const stream = this.#channel.httpStream();
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
    this.#channel.close();
  }

  #reach(): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error?: unknown) => {
        this.#lose(isFabricError(error) ? error : this.#gone("it does not answer"));
        reject(this.#lost);
      };
      const { handshakeTimeoutMs } = this.#limits;
      const timer = this.#clock.setTimer(handshakeTimeoutMs, failed);
      this.#channel
        .reached(handshakeTimeoutMs)
        .finally(() => timer.cancel())
        .then(() => (this.#lost ? reject(this.#lost) : resolve()), failed);
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
    const intervalMs = Math.max(kind.value.heartbeatIntervalMs, heartbeatFloorMs);
    const deadAfterMs = Math.max(kind.value.deadAfterMs, heartbeatFloorMs);
    this.#beat(intervalMs);
    this.#bearSilence(this.#events.patienceMs?.(intervalMs, deadAfterMs) ?? deadAfterMs);
    welcomed(kind.value);
  }

  /** `sinceMs`: what was said before it does not count. */
  #bearSilence(patienceMs: number, sinceMs = 0): void {
    const dueMs = Math.max(this.#heardAtMs, sinceMs) + patienceMs;
    const leftMs = dueMs - this.#clock.monotonicMs();
    if (leftMs <= 0) {
      this.#isSilent = true;
      this.#lose(this.#silent("heartbeat"));
      return;
    }
    this.#silence = this.#clock.setTimer(leftMs, () => {
      const nowMs = this.#clock.monotonicMs();
      // This process was held up itself: what the server said meanwhile waits to be read.
      if (nowMs - dueMs > lateMs) this.#bearSilence(patienceMs, nowMs);
      else this.#bearSilence(patienceMs, sinceMs);
    });
  }

  #beat(intervalMs: number): void {
    this.#timer?.cancel();
    const nowMs = this.#clock.monotonicMs();
    this.#sequence += 1n;
    this.#beats.set(this.#sequence, nowMs);
    for (const old of this.#beats.keys()) {
      if (this.#beats.size <= beatsRemembered) break;
      this.#beats.delete(old);
    }
    // Behind a full stream a heartbeat would only wait; the server hears what is in it.
    if (!this.#stream?.writableNeedDrain) {
      const value = create(HeartbeatSchema, { sequence: this.#sequence });
      this.send({ case: "heartbeat", value });
    }
    this.#timer = this.#clock.setTimer(intervalMs, () => this.#beat(intervalMs));
  }

  #lose(error: FabricError): void {
    if (this.#lost) return;
    this.#release(error);
    this.#stream?.cancel();
    this.#channel.close();
    this.#events.onLost(error);
  }

  #release(error: FabricError): void {
    this.#lost = error;
    this.#timer?.cancel();
    this.#silence?.cancel();
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
/** A timer that fires so late tells of a process that was held up. */
const lateMs = 100;
/** Time for the last word to reach the server. */
const goodbyeWaitMs = 1000;
