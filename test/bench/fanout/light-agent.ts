/**
 * An agent as the server sees one, and little more, so that thousands fit into a process: hello, heartbeats,
 * registrations, views, and coming back after a loss, by the protocol's own code (`Connection`, `RegistrationSync`,
 * the waits of `server-choice`). Of a view it keeps revision and digest, as the server says them, and no items: what
 * a mirror would do with the items is the agent's cost, which is measured on a real one.
 */
import { join } from "node:path";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { parseIp, parseMac } from "../../../addr/index.ts";
import { systemClock } from "../../../clock/index.ts";
import { grpcChannels } from "../../../control/agent/channel.ts";
import { Connection } from "../../../control/agent/connection.ts";
import { helloOf, readWelcome } from "../../../control/agent/greeting.ts";
import { RegistrationSync } from "../../../control/agent/registration-sync.ts";
import {
  afterSession,
  firstChoice,
  type ServerChoice,
  type SessionEnd,
  waitBeforeMs,
} from "../../../control/agent/server-choice.ts";
import { type AgentIdentity, controlClientLimits, type ServerWelcome } from "../../../control/index.ts";
import type { ServerMessage, ViewUpdate } from "../../../control/proto/gen/fabric_pb.ts";
import { AgentTrust } from "../../../control/trust/index.ts";
import type { FabricError } from "../../../errors/index.ts";
import type { ServiceRecord } from "../../../registry/index.ts";
import { service } from "../../control/fabric.ts";

const retryMs = 200;

/** How it shows who it is, in TLS. */
export interface JoinBy {
  readonly token: string;
  /** Where each agent keeps its certificate, in a folder of its own. */
  readonly directory: string;
}

export interface HeldView {
  readonly revision: bigint;
  readonly digest: bigint;
}

/** Wall clock with fractions, comparable between the processes of one machine. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

export class LightAgent {
  readonly node: AgentIdentity;
  readonly #server: string;
  readonly #onPut: (view: string, key: string) => void;
  readonly #joinBy: JoinBy | undefined;
  #trust: AgentTrust | undefined;
  readonly #services: ServiceRecord[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #sync: RegistrationSync;
  readonly #views = new Map<string, HeldView | undefined>();
  readonly #waiting = new Set<string>();
  #connection: Connection | undefined;
  #welcome: ServerWelcome | undefined;
  #isSynced = false;
  #error: FabricError | undefined;
  /** Since when it is connected; undefined while it is not. */
  connectedAtMs: number | undefined;
  /** Since when the server has its registrations and it has every view as the server has it. */
  inStepAtMs: number | undefined;

  constructor(
    index: number,
    server: string,
    onPut: (view: string, key: string) => void,
    joinBy: JoinBy | undefined,
  ) {
    this.node = identityOf(index);
    this.#server = server;
    this.#joinBy = joinBy;
    this.#onPut = onPut;
    const source = {
      registrations: () => ({ services: this.#services, checks: [] }),
      onChange: (listener: () => void) => {
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
      },
    };
    const limits = controlClientLimits;
    const onFailure = () => undefined;
    this.#sync = new RegistrationSync({ source, clock: systemClock, random: Math.random, limits, onFailure });
  }

  start(): void {
    void this.#run();
  }

  /** Resolves when the server has them, over however many connections. */
  async register(names: readonly { readonly id: string; readonly name: string }[]): Promise<void> {
    for (const { id, name } of names)
      this.#services.push(service(this.node.name, id, { name, address: this.node.address }));
    for (const listener of this.#listeners) listener();
    const isHeld = () =>
      this.#sync.flush().then(
        () => true,
        () => false,
      );
    while (!(await isHeld())) await systemClock.sleep(retryMs);
  }

  /** `held`: what it has of the view from before. */
  subscribe(view: string, held?: HeldView): void {
    this.#views.set(view, held);
    this.inStepAtMs = undefined;
    this.#ask(view);
  }

  held(view: string): HeldView | undefined {
    return this.#waiting.has(view) ? undefined : this.#views.get(view);
  }

  follows(view: string): boolean {
    return this.#views.has(view);
  }

  /** For whoever waits for it in vain. */
  get state(): string {
    if (this.connectedAtMs === undefined) return `not connected, ${this.#error?.message}`;
    return `waits for ${[...this.#waiting].join(", ")}${this.#isSynced ? "" : " and for its registrations"}`;
  }

  async #run(): Promise<void> {
    let choice: ServerChoice = firstChoice;
    for (;;) {
      const waitMs = waitBeforeMs(choice, 1, controlClientLimits, Math.random);
      if (waitMs > 0) await systemClock.sleep(waitMs);
      choice = afterSession(choice, 1, await this.#session(), controlClientLimits);
    }
  }

  /** Answers how long it stood; undefined: not at all. */
  async #session(): Promise<SessionEnd | undefined> {
    const { promise: lost, resolve: lose } = Promise.withResolvers<FabricError>();
    const own = await this.#credentials().catch((error: FabricError) => {
      this.#error = error;
    });
    if (!own) return undefined;
    const connection = new Connection(
      this.#server,
      grpcChannels(controlClientLimits)(this.#server, own),
      systemClock,
      controlClientLimits,
      {
        onMessage: (kind) => this.#receive(kind),
        onLost: (error) => {
          this.#error = error;
          this.#sync.disconnected(error);
          lose(error);
        },
      },
    );
    this.#connection = connection;
    try {
      const sentAtMs = systemClock.monotonicMs();
      const welcome = await connection.open(helloOf(this.node, this.#welcome));
      this.#welcome = readWelcome(welcome, sentAtMs);
    } catch {
      await connection.close(false);
      return undefined;
    }
    const atMs = nowMs();
    this.connectedAtMs = atMs;
    this.#isSynced = false;
    for (const view of this.#views.keys()) this.#ask(view);
    this.#sync.connected((sequence, body) =>
      connection.send({
        case: "registrations",
        value: { $typeName: "heddle.control.v1.Registrations", sequence, body },
      }),
    );
    const { code } = await lost;
    this.connectedAtMs = undefined;
    this.inStepAtMs = undefined;
    await connection.close(false);
    return { stoodMs: nowMs() - atMs, code };
  }

  async #credentials(): Promise<ChannelCredentials> {
    if (!this.#joinBy) return credentials.createInsecure();
    const { token, directory: all } = this.#joinBy;
    const { name: node } = this.node;
    const directory = join(all, node);
    this.#trust ??= await AgentTrust.open({
      node,
      directory,
      token,
      servers: [this.#server],
      clock: systemClock,
    });
    return this.#trust.credentials(this.#server);
  }

  #ask(view: string): void {
    const { revision, digest } = this.#views.get(view) ?? { revision: 0n, digest: 0n };
    this.#waiting.add(view);
    const value = { $typeName: "heddle.control.v1.Subscribe" as const, view, revision, digest };
    if (this.connectedAtMs !== undefined) this.#connection?.send({ case: "subscribe", value });
  }

  #receive(kind: ServerMessage["kind"]): void {
    if (kind.case === "view") this.#receiveView(kind.value);
    if (kind.case === "registrationsAck") {
      this.#sync.acknowledged(kind.value);
      this.#isSynced ||= kind.value.inSync;
    }
    if (this.#isSynced && this.#waiting.size === 0) this.inStepAtMs ??= nowMs();
  }

  #receiveView({ view, revision, digest, last, body }: ViewUpdate): void {
    if (body.case === "snapshot" || body.case === "delta")
      for (const { key } of body.value.puts) this.#onPut(view, key);
    if (!last || body.case === "refused" || !this.#views.has(view)) return;
    this.#views.set(view, { revision, digest });
    this.#waiting.delete(view);
  }
}

function identityOf(index: number): AgentIdentity {
  const bytes = [(index >> 16) & 255, (index >> 8) & 255, index & 255];
  const hex = index.toString(16).padStart(12, "0");
  const address = parseIp(`10.${bytes.join(".")}`);
  return {
    name: `node-${index}`,
    id: `00000000-0000-4000-8000-${hex}`,
    version: "bench",
    address,
    zone: "default",
    underlay: [address],
    vtepMac: parseMac(
      ["02", "00", "00", ...bytes.map((byte) => byte.toString(16).padStart(2, "0"))].join(":"),
    ),
    vxlanPort: 4789,
    meta: {},
    taggedAddresses: {},
  };
}
