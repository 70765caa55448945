/**
 * One agent's stream: hello, join, then heartbeats, views and registrations until either side ends it.
 *
 * Order of a join: the node's term, its catalog record (which carries the epoch), its liveness, the welcome. A
 * step that fails ends the stream with the error, and what was done before stands: the agent comes again.
 */
import { create } from "@bufbuild/protobuf";
import type { Clock, Deadlines, Due, Timer } from "../../../clock/index.ts";
import { FabricError, isFabricError } from "../../../errors/index.ts";
import type { EmptyBlocksRequest, NodeTerm } from "../../../ipam/index.ts";
import type { RegistryReads, RegistryWrites } from "../../../registry/index.ts";
import type { Store } from "../../../store/index.ts";
import type { AgentIdentity } from "../../agent-identity.ts";
import type { ControlServerLimits } from "../../limits.ts";
import {
  type AgentMessage,
  EmptyBlocksWantedSchema,
  type Hello,
  type Registrations,
  RegistrationsAckSchema,
  RenewedSchema,
  type ServerMessage,
  StoreLostSchema,
  WelcomeSchema,
} from "../../proto/gen/fabric_pb.ts";
import { asFabricError } from "../../wire-error.ts";
import type { PoolService } from "../calls/pool-service.ts";
import type { ServerStream, StreamReader } from "../grpc/server-stream.ts";
import { Subscriptions } from "../views/subscriptions.ts";
import type { ViewHub } from "../views/view-hub.ts";
import type { JoinLine } from "./join-line.ts";
import { Liveness } from "./liveness.ts";
import { Outbox } from "./outbox.ts";
import { nodeRecordOf, readHello } from "./read-hello.ts";
import { handleRegistrations } from "./registrations.ts";
import type { SessionTable } from "./session-table.ts";
import { TermKeeper } from "./term-keeper.ts";

/** What a session needs of its stream. */
export type SessionStream = Pick<
  ServerStream<AgentMessage, ServerMessage>,
  "caller" | "read" | "writeFrame" | "end" | "fail"
>;

export interface SessionContext {
  readonly server: string;
  readonly version: string;
  readonly registry: RegistryReads;
  readonly writer: RegistryWrites;
  readonly pools: PoolService;
  readonly store: Store;
  readonly hub: ViewHub;
  readonly table: SessionTable;
  readonly joins: JoinLine;
  readonly clock: Clock;
  /** By `clock`, of all sessions. */
  readonly deadlines: Deadlines;
  readonly random: () => number;
  readonly limits: ControlServerLimits;
  readonly log: (event: SessionEvent) => void;
  /** It was welcomed. */
  readonly joined: (stream: SessionStream) => void;
  /** Its stream is over. */
  readonly gone: (session: Session) => void;
}

export type SessionEvent =
  | { readonly kind: "joined"; readonly node: string; readonly epoch: number }
  | { readonly kind: "left"; readonly node: string; readonly error: FabricError | undefined }
  | { readonly kind: "failed"; readonly node: string; readonly action: string; readonly error: unknown };

type Phase =
  | { readonly kind: "new" | "joining" | "closed" }
  | {
      readonly kind: "open";
      readonly agent: AgentIdentity;
      readonly keeper: TermKeeper;
      readonly live: Liveness;
    };

export class Session implements Due, StreamReader<AgentMessage> {
  readonly #stream: SessionStream;
  readonly #context: SessionContext;
  readonly #outbox: Outbox;
  readonly #subscriptions: Subscriptions;
  #phase: Phase = { kind: "new" };
  #heardAtMs: number;
  /** For the hello. */
  #deadline: Timer | undefined;
  /** When its silence is looked at. */
  #look: number | undefined;
  #agent: AgentIdentity | undefined;
  #registrations: Promise<void> = Promise.resolve();
  #registrationsPending = 0;

  constructor(stream: SessionStream, context: SessionContext) {
    const { clock, limits, hub } = context;
    this.#stream = stream;
    this.#context = context;
    this.#outbox = new Outbox(stream, limits.sendWindowBytes);
    this.#subscriptions = new Subscriptions(hub, this.#outbox, clock, limits);
    this.#heardAtMs = clock.monotonicMs();
    this.#deadline = clock.setTimer(limits.helloTimeoutMs, () => this.end(silent("hello")));
    stream.read(this);
  }

  get id(): string | undefined {
    return this.#agent?.id;
  }

  get views(): number {
    return this.#subscriptions.size;
  }

  /** Ends the stream, with the error if there is one. The node stays alive for its TTL unless the agent said goodbye. */
  end(error: FabricError | undefined, goodbye = false): void {
    const phase = this.#phase;
    if (phase.kind === "closed") return;
    this.#phase = { kind: "closed" };
    this.#deadline?.cancel();
    if (this.#look !== undefined) this.#context.deadlines.remove(this, this.#look);
    this.#subscriptions.close();
    this.#outbox.close();
    const { table, log } = this.#context;
    if (this.#agent) table.remove(this.#agent.name, this);
    if (phase.kind === "open") {
      phase.live.stop(goodbye).catch((cause) => this.#failed("end liveness", cause));
      log({ kind: "left", node: phase.agent.name, error });
    }
    if (error) this.#stream.fail(error);
    else this.#stream.end();
  }

  /** Its silence is to be looked at. What came while this process was busy is read before anybody is given up: hence a second look. */
  due(): void {
    if (this.#isClosed()) return;
    const { clock, deadlines } = this.#context;
    const leftMs = this.#silenceLeftMs();
    if (leftMs > 0) {
      this.#look = deadlines.add(this, leftMs);
    } else {
      this.#deadline = clock.setTimer(0, () => {
        if (this.#silenceLeftMs() > 0) this.due();
        else this.end(silent("heartbeat"));
      });
    }
  }

  wantEmptyBlocks({ network, deleting }: EmptyBlocksRequest): void {
    if (this.#phase.kind !== "open") return;
    const value = create(EmptyBlocksWantedSchema, { network, deleting });
    this.#outbox.send(`emptyBlocksWanted/${network}`, { case: "emptyBlocksWanted", value });
  }

  ended(): void {
    this.end(undefined);
  }

  gone(): void {
    this.end(undefined);
    this.#context.gone(this);
  }

  message({ kind }: AgentMessage): void {
    const phase = this.#phase;
    if (phase.kind === "closed") return;
    this.#heardAtMs = this.#context.clock.monotonicMs();
    if (kind.case === "hello") {
      if (phase.kind !== "new") {
        this.end(broken("a second hello"));
        return;
      }
      this.#phase = { kind: "joining" };
      const join = () => this.#join(kind.value);
      this.#context.joins
        .take(() => this.#isClosed(), join)
        .catch((error: unknown) => {
          if (this.#phase.kind !== "closed") this.#failed("join", error);
          this.end(asFabricError(error));
        });
      return;
    }
    if (phase.kind !== "open") {
      this.end(broken("a message before the welcome"));
      return;
    }
    switch (kind.case) {
      case "heartbeat":
        this.#sayStoreLost(phase.live);
        this.#outbox.send("heartbeat", { case: "heartbeat", value: kind.value });
        phase.live.beat();
        phase.keeper.beat(kind.value.sequence);
        return;
      case "subscribe":
        this.#subscriptions.subscribe(kind.value);
        return;
      case "unsubscribe":
        this.#subscriptions.unsubscribe(kind.value.view);
        return;
      case "registrations":
        this.#queueRegistrations(kind.value, phase.agent.name, phase.keeper.epoch);
        return;
      case "goodbye":
        this.end(undefined, true);
        return;
      case undefined:
        // A kind of message that a later release added: it may be left out.
        return;
      default:
        kind satisfies never;
    }
  }

  async #join(hello: Hello): Promise<void> {
    const { table, pools, writer, registry, store, clock, limits, random } = this.#context;
    const agent = readHello(hello);
    table.add(agent, this);
    this.#agent = agent;
    const { storeId } = hello;
    const held = storeId !== "" && hello.epoch > 0n ? Number(hello.epoch) : undefined;
    const term = await (held === undefined
      ? pools.joinNode(agent.name)
      : pools.joinNode(agent.name, held, storeId));
    const isTakenOver = storeId !== store.id && term.epoch === held && term.madeIn === storeId;
    await writer.upsertNode(nodeRecordOf(agent, registry.datacenter, term.epoch));
    const onFailure = (error: unknown) => {
      if (isFabricError(error, "IPAM_STALE_EPOCH")) this.end(error);
      else this.#failed("keep the node alive", error);
    };
    const confirm = () => pools.confirmTerm(agent.name, term.epoch);
    const ttlMs = limits.liveTtlMs;
    const live = new Liveness(agent.name, { store, writer, registry, clock, ttlMs, confirm, onFailure });
    if (this.#isClosed()) return;
    await live.start();
    if (this.#isClosed()) return live.stop(false);
    const keeper = new TermKeeper(agent.name, term, {
      pools,
      clock,
      random,
      renewEveryMs: limits.renewEveryMs,
      onRenewed: (sequence, { epoch, reclaimAfterMs }) => {
        const value = create(RenewedSchema, {
          sequence,
          epoch: BigInt(epoch),
          reclaimAfterMs: BigInt(reclaimAfterMs),
        });
        this.#outbox.send("renewed", { case: "renewed", value });
      },
      onEnded: (error) => this.end(error),
      onFailure: (error) => this.#failed("renew the node's term", error),
    });
    this.#phase = { kind: "open", agent, keeper, live };
    this.#deadline?.cancel();
    this.due();
    this.#welcome(term, isTakenOver);
    this.#sayStoreLost(live);
    this.#context.joined(this.#stream);
    this.#context.log({ kind: "joined", node: agent.name, epoch: term.epoch });
  }

  #welcome({ epoch, reclaimAfterMs }: NodeTerm, takenOver: boolean): void {
    const { server, version, registry, store, limits, table } = this.#context;
    const value = create(WelcomeSchema, {
      server,
      version,
      datacenter: registry.datacenter,
      storeId: store.id,
      revision: BigInt(registry.index),
      epoch: BigInt(epoch),
      heartbeatIntervalMs: heartbeatIntervalMs(table.size, limits),
      deadAfterMs: limits.deadAfterMs,
      reclaimAfterMs: BigInt(reclaimAfterMs),
      takenOver,
    });
    this.#outbox.send("welcome", { case: "welcome", value });
  }

  /** By the lease of the node, and by the store's changes: one may come again before the other does. */
  #sayStoreLost(live: Liveness): void {
    const { registry, limits } = this.#context;
    const silentMs = Math.max(live.unkeptMs, registry.contact().lastContactMs);
    if (silentMs < limits.liveTtlMs / 2) return;
    const value = create(StoreLostSchema, { silentMs: BigInt(Math.round(silentMs)) });
    this.#outbox.send("storeLost", { case: "storeLost", value });
  }

  #silenceLeftMs(): number {
    const { clock, limits } = this.#context;
    return this.#heardAtMs + limits.deadAfterMs - clock.monotonicMs();
  }

  #queueRegistrations(message: Registrations, node: string, epoch: number): void {
    const { registrationsPendingMax } = this.#context.limits;
    if (this.#registrationsPending >= registrationsPendingMax) {
      this.end(broken("registrations without waiting"));
      return;
    }
    this.#registrationsPending += 1;
    const { registry, writer } = this.#context;
    this.#registrations = this.#registrations.then(async () => {
      const answer = await handleRegistrations({ registry, writer, node, epoch }, message);
      this.#registrationsPending -= 1;
      const { sequence } = message;
      const value = create(RegistrationsAckSchema, {
        ...answer,
        sequence,
        revision: BigInt(answer.revision),
      });
      if (this.#phase.kind === "open")
        this.#outbox.send(`ack/${sequence}`, { case: "registrationsAck", value });
    });
  }

  #isClosed(): boolean {
    return this.#phase.kind === "closed";
  }

  #failed(action: string, error: unknown): void {
    this.#context.log({ kind: "failed", node: this.#agent?.name ?? "", action, error });
  }
}

/** The more agents there are, the more slowly the next one beats. */
function heartbeatIntervalMs(
  agents: number,
  { heartbeatIntervalMs: mostMs, heartbeatMinMs, heartbeatsPerSecond }: ControlServerLimits,
): number {
  return Math.min(mostMs, Math.max(heartbeatMinMs, (agents * 1000) / heartbeatsPerSecond));
}

function silent(what: string): FabricError {
  return new FabricError(
    "CONTROL_TIMEOUT",
    `keep session: no ${what} of the agent in time; it connects again by itself`,
  );
}

function broken(what: string): FabricError {
  return new FabricError(
    "CONTROL_PROTOCOL",
    `read session: the agent sent ${what}; bring agent and server to the same release`,
  );
}
