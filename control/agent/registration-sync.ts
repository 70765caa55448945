/**
 * Keeps the server's record of what runs on this node equal to the agent's. One message is under way at a time;
 * what changes meanwhile goes with the next, so a burst of a thousand registrations is a few messages.
 *
 * On a new connection and once in `antiEntropyMs` the two sides compare a digest; only if it differs everything
 * is sent. A refusal is retried with everything, ever more slowly.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { CheckRecord, ServiceRecord } from "../../registry/index.ts";
import type { ControlClientLimits } from "../limits.ts";
import type { RegistrationSet, Registrations, RegistrationsAck } from "../proto/gen/fabric_pb.ts";
import { canonicalJson, type RegistrationRecords, registrationDigest } from "../registration-digest.ts";
import { decodeError } from "../wire-error.ts";

/** The agent's own registrations; `registry`'s agent state is behind it. */
export interface RegistrationSource {
  registrations(): RegistrationRecords;
  /** Calls back after each change. Answers how to stop. */
  onChange(listener: () => void): () => void;
}

type Body = Registrations["body"];
type Texts = ReadonlyMap<string, string>;

interface InFlight {
  readonly sequence: bigint;
  readonly kind: "probe" | "full" | "delta";
  readonly services: Texts;
  readonly checks: Texts;
  readonly version: number;
}

interface Waiter {
  readonly version: number;
  readonly resolve: (revision: number) => void;
  readonly reject: (error: FabricError) => void;
}

export class RegistrationSync {
  readonly #source: RegistrationSource;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #limits: ControlClientLimits;
  readonly #onFailure: (error: FabricError) => void;
  readonly #stopListening: () => void;
  readonly #waiters = new Set<Waiter>();
  #send: ((sequence: bigint, body: Body) => void) | undefined;
  /** What the server has acknowledged; undefined when that is not known. */
  #acked: Pick<InFlight, "services" | "checks"> | undefined;
  #inFlight: InFlight | undefined;
  #sequence = 0n;
  #version = 1;
  #ackedVersion = 0;
  #failures = 0;
  #timer: Timer | undefined;

  constructor(options: {
    readonly source: RegistrationSource;
    readonly clock: Clock;
    readonly random: () => number;
    readonly limits: ControlClientLimits;
    readonly onFailure: (error: FabricError) => void;
  }) {
    this.#source = options.source;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#limits = options.limits;
    this.#onFailure = options.onFailure;
    this.#stopListening = this.#source.onChange(() => {
      this.#version += 1;
      if (this.#failures === 0) this.#advance();
    });
  }

  connected(send: (sequence: bigint, body: Body) => void): void {
    this.#send = send;
    this.#failures = 0;
    this.#probe();
  }

  disconnected(error: FabricError): void {
    this.#send = undefined;
    this.#acked = undefined;
    this.#inFlight = undefined;
    this.#timer?.cancel();
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  /**
   * Resolves with a store revision that holds everything registered up to now.
   * @throws CONTROL_UNAVAILABLE, and why the server refused
   */
  flush(): Promise<number> {
    if (!this.#send) {
      return Promise.reject(
        new FabricError(
          "CONTROL_UNAVAILABLE",
          "sync registrations: no server is connected; they are synced when one is",
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiters.add({ version: this.#version, resolve, reject });
      if (this.#failures > 0) this.#sendFull();
      else this.#advance();
    });
  }

  acknowledged(ack: RegistrationsAck): void {
    const sent = this.#inFlight;
    if (sent?.sequence !== ack.sequence) return;
    this.#inFlight = undefined;
    if (ack.error !== "") {
      this.#refused(ack.error);
      return;
    }
    if (sent.kind === "probe" && !ack.inSync) {
      this.#sendFull();
      return;
    }
    this.#failures = 0;
    this.#acked = sent;
    this.#ackedVersion = sent.version;
    for (const waiter of this.#waiters) {
      if (waiter.version > sent.version) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(Number(ack.revision));
    }
    this.#armProbe();
    this.#advance();
  }

  close(): void {
    this.#stopListening();
    this.disconnected(
      new FabricError("CONTROL_CLOSED", "sync registrations: the client was closed; open it again"),
    );
  }

  #advance(): void {
    if (!this.#send || this.#inFlight) return;
    if (!this.#acked) this.#sendFull();
    else if (this.#ackedVersion < this.#version || this.#waiters.size > 0) this.#sendDelta(this.#acked);
  }

  #probe(): void {
    const records = this.#source.registrations();
    this.#transmit("probe", textsOf(records), { case: "probe", value: registrationDigest(records) });
  }

  #sendFull(): void {
    if (!this.#send || this.#inFlight) return;
    const texts = textsOf(this.#source.registrations());
    this.#transmit("full", texts, {
      case: "full",
      value: {
        $typeName: "heddle.control.v1.RegistrationSet",
        services: [...texts.services.values()],
        checks: [...texts.checks.values()],
        removedServices: [],
        removedChecks: [],
      },
    });
  }

  #sendDelta(acked: Pick<InFlight, "services" | "checks">): void {
    const texts = textsOf(this.#source.registrations());
    this.#transmit("delta", texts, {
      case: "delta",
      value: {
        $typeName: "heddle.control.v1.RegistrationSet",
        services: changed(acked.services, texts.services),
        checks: changed(acked.checks, texts.checks),
        removedServices: removed(acked.services, texts.services),
        removedChecks: removed(acked.checks, texts.checks),
      },
    });
  }

  #transmit(kind: InFlight["kind"], texts: Pick<InFlight, "services" | "checks">, body: Body): void {
    this.#timer?.cancel();
    const bytes = body.case === "full" || body.case === "delta" ? bytesOf(body.value) : 0;
    // The transport would end the whole session.
    if (bytes > this.#limits.registrationsMaxBytes) {
      this.#failed(tooLarge(bytes, this.#limits));
      return;
    }
    this.#sequence += 1n;
    this.#inFlight = { sequence: this.#sequence, kind, ...texts, version: this.#version };
    this.#send?.(this.#sequence, body);
  }

  #refused(text: string): void {
    const error =
      decodeError(text) ??
      new FabricError(
        "CONTROL_PROTOCOL",
        "sync registrations: the server refused them; bring agent and server to the same release",
      );
    this.#failed(error);
  }

  /** Waiters hear of it; everything is sent again later. */
  #failed(error: FabricError): void {
    this.#acked = undefined;
    this.#failures += 1;
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
    const { registrationRetryMinMs, registrationRetryMaxMs } = this.#limits;
    const waitMs = Math.min(registrationRetryMaxMs, registrationRetryMinMs * 2 ** (this.#failures - 1));
    this.#timer = this.#clock.setTimer(waitMs * (0.5 + this.#random() / 2), () => this.#sendFull());
    this.#onFailure(error);
  }

  #armProbe(): void {
    this.#timer?.cancel();
    const waitMs = this.#limits.antiEntropyMs * (1 + this.#random() / 4);
    this.#timer = this.#clock.setTimer(waitMs, () => {
      if (this.#send && !this.#inFlight) this.#probe();
    });
  }
}

function textsOf({ services, checks }: RegistrationRecords): Pick<InFlight, "services" | "checks"> {
  return {
    services: new Map(services.map((service) => [service.id, textOf(service)])),
    checks: new Map(checks.map((check) => [check.id, textOf(check)])),
  };
}

/** Records are never written to, and of thousands usually one is new. */
const writtenTexts = new WeakMap<object, string>();

function textOf(record: ServiceRecord | CheckRecord): string {
  const known = writtenTexts.get(record);
  if (known !== undefined) return known;
  const text = canonicalJson(record);
  writtenTexts.set(record, text);
  return text;
}

function bytesOf({ services, checks }: RegistrationSet): number {
  return [...services, ...checks].reduce((sum, json) => sum + Buffer.byteLength(json) + framingBytes, 0);
}

/** Of one record in a message, at most. */
const framingBytes = 8;

function tooLarge(bytes: number, { registrationsMaxBytes: max }: ControlClientLimits): FabricError {
  return new FabricError(
    "CONTROL_LIMIT",
    `sync registrations: the services and checks of this node have ${bytes} bytes, at most ${max} can be sent; register less, or with less meta data and shorter outputs`,
    { details: { limit: "registrationsMaxBytes", max, bytes } },
  );
}

function changed(before: Texts, after: Texts): string[] {
  return [...after].filter(([id, json]) => before.get(id) !== json).map(([, json]) => json);
}

function removed(before: Texts, after: Texts): string[] {
  return [...before.keys()].filter((id) => !after.has(id));
}
