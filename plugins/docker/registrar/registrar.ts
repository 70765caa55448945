/**
 * Follows one Docker Engine and keeps the agent's registrations like its containers: the shell around `step`.
 *
 * A session begins with the event stream, then lists, then listens: nothing can happen between list and stream. It
 * ends when the engine does, when too much waits, or when it is old, and another begins; each is a full
 * resynchronisation, and remembers since when it must hear events again. While no session stands, registrations
 * stay (their containers may well run), except those whose process is seen to be gone.
 */
import type { Ip } from "../../../addr/index.ts";
import type { Clock, Timer } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { EngineClient } from "../engine/index.ts";
import { EffectQueue } from "./effect-queue.ts";
import { readFacts } from "./facts.ts";
import { Inspections } from "./inspections.ts";
import { type RegistrarLimits, registrarLimits } from "./limits.ts";
import { ownedServices } from "./owned.ts";
import type { RegistrarLog, ServiceRegistry } from "./ports.ts";
import { isAlive, markProcess, type ProcessMark } from "./process-watch.ts";
import { initialState, type RegistrarEvent, type RegistrarState, step } from "./step.ts";

export interface RegistrarOptions {
  readonly engine: EngineClient;
  readonly registry: ServiceRegistry;
  /** The fabric's network that leased an address of this node. */
  readonly networkOf: (ip: Ip) => string | undefined;
  readonly node: string;
  readonly nodeAddress: Ip;
  readonly clock: Clock;
  readonly log: RegistrarLog;
  readonly limits?: Partial<RegistrarLimits>;
}

export interface RegistrarStatus {
  readonly socketPath: string;
  /** `absent`: never heard of since the start. */
  readonly engine: "connected" | "lost" | "absent";
  readonly problem?: string;
  readonly containers: number;
  readonly leftOut: number;
  readonly registrations: number;
  /** What of containers could not be taken in, the first ones. */
  readonly problems: readonly { readonly container: string; readonly problem: string }[];
  readonly problemCount: number;
}

export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #limits: RegistrarLimits;
  readonly #stopped = new AbortController();
  readonly #effects: EffectQueue;
  readonly #inspections: Inspections;
  readonly #processes = new Map<string, ProcessMark>();
  readonly #patience = new Map<string, Timer>();
  readonly #reported = new Set<string>();
  #state: RegistrarState = initialState;
  #engineId = "";
  #heardMs: number;
  #session = new AbortController();
  #connected = false;
  #everConnected = false;
  #problem: string | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#limits = { ...registrarLimits, ...options.limits };
    this.#heardMs = options.clock.wallMs() - this.#limits.stopPatienceMs;
    this.#effects = new EffectQueue(options.registry, options.log, (registration, why) =>
      this.#dispatch({ kind: "refused", registration, why }),
    );
    this.#inspections = new Inspections({
      concurrency: this.#limits.inspectionsMax,
      pendingMax: this.#limits.pendingMax,
      inspect: (id) => options.engine.inspect(id, this.#stopped.signal),
      onResult: (id, inspection) => this.#inspected(id, inspection),
      onFailure: (error) => this.#session.abort(error),
    });
  }

  /**
   * Resolves when what was registered before is confirmed or withdrawn: by the engine if it answers in time, else
   * withdrawn whole, as nothing tells a container of yesterday from a ghost. Then goes on in the background.
   */
  async start(): Promise<void> {
    const { clock } = this.#options;
    const first = Promise.withResolvers<void>();
    this.#loop = this.#run(first.resolve);
    await Promise.race([first.promise, clock.sleep(this.#limits.startMs)]);
    if (!this.#connected) this.#dispatch({ kind: "listed", ids: [], owned: this.#owned() });
    await this.#effects.idle();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#session.abort();
    for (const timer of this.#patience.values()) timer.cancel();
    await this.#loop;
    await this.#inspections.idle();
    await this.#effects.idle();
  }

  status(): RegistrarStatus {
    const all = [...this.#state.containers].flatMap(([id, { facts, problems }]) =>
      problems.map((problem) => ({ container: facts?.name ?? id.slice(0, 12), problem })),
    );
    return {
      socketPath: this.#options.engine.socketPath,
      engine: this.#connected ? "connected" : this.#everConnected ? "lost" : "absent",
      ...(this.#problem !== undefined && { problem: this.#problem }),
      containers: this.#state.containers.size,
      leftOut: this.#state.leftOut,
      registrations: this.#state.registered.size,
      problems: all.slice(0, this.#limits.problemsShownMax),
      problemCount: all.length,
    };
  }

  /** @param tried called after the first attempt, whatever became of it */
  async #run(tried: () => void): Promise<void> {
    const { log } = this.#options;
    let backoffMs = this.#limits.backoffMinMs;
    while (!this.#stopped.signal.aborted) {
      try {
        await this.#follow(() => {
          backoffMs = this.#limits.backoffMinMs;
          tried();
        });
      } catch (error) {
        if (this.#stopped.signal.aborted) break;
        this.#problem = error instanceof Error ? error.message : String(error);
        if (this.#connected)
          log("warn", "the Docker Engine is lost; its containers stay registered", { error });
        this.#connected = false;
        tried();
        await this.#wait(backoffMs);
        backoffMs = Math.min(backoffMs * 2, this.#limits.backoffMaxMs);
      }
    }
    tried();
  }

  async #wait(delayMs: number): Promise<void> {
    for (let leftMs = delayMs; leftMs > 0 && !this.#stopped.signal.aborted; leftMs -= this.#limits.watchMs) {
      this.#watchProcesses();
      const sliceMs = Math.min(leftMs, this.#limits.watchMs);
      await this.#options.clock.sleep(sliceMs, this.#stopped.signal).catch(() => undefined);
    }
  }

  /** One session. Returns when it is only old; throws when the engine failed. */
  async #follow(established: () => void): Promise<void> {
    const { clock, engine, log } = this.#options;
    const session = new AbortController();
    this.#session = session;
    const signal = AbortSignal.any([session.signal, this.#stopped.signal]);
    const sinceMs = this.#heardMs;
    this.#engineId = await engine.id(signal);
    const events = await engine.events(sinceMs, signal);
    try {
      const ids = await engine.running(signal);
      await this.#effects.idle();
      this.#dispatch({ kind: "listed", ids, owned: this.#owned() });
      await this.#inspections.idle();
      signal.throwIfAborted();
      await this.#effects.idle();
      if (!this.#connected)
        log("info", "following the Docker Engine", { engine: this.#engineId, containers: ids.length });
      this.#connected = true;
      this.#everConnected = true;
      this.#problem = undefined;
      established();
    } catch (error) {
      session.abort();
      await events.return(undefined);
      throw session.signal.reason instanceof FabricError ? session.signal.reason : error;
    }
    const old = clock.setTimer(this.#limits.resyncMs, () => session.abort());
    try {
      for await (const event of events) {
        this.#heardMs = Math.max(this.#heardMs, event.atMs);
        this.#dispatch({ kind: "happened", event });
      }
    } finally {
      old.cancel();
    }
    if (session.signal.reason instanceof FabricError) throw session.signal.reason;
  }

  #inspected(id: string, inspection: unknown): void {
    const facts = readFacts(inspection, this.#options.networkOf, this.#limits);
    const mark = facts && markProcess(facts.pid, id);
    if (mark) this.#processes.set(id, mark);
    else this.#processes.delete(id);
    this.#dispatch({ kind: "inspected", id, facts });
  }

  #dispatch(event: RegistrarEvent): void {
    const { node, nodeAddress } = this.#options;
    const { containersMax, servicesMax } = this.#limits;
    const { state, effects } = step(this.#state, event, {
      node,
      nodeAddress,
      engineId: this.#engineId,
      containersMax,
      servicesMax,
    });
    this.#state = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case "register":
        case "deregister":
        case "status":
          this.#effects.push(effect);
          break;
        case "inspect":
          if (!this.#inspections.want(effect.id)) this.#session.abort();
          break;
        case "expectEnd":
          this.#expectEnd(effect.id);
          break;
        default:
          effect satisfies never;
      }
    }
    this.#report();
  }

  #expectEnd(id: string): void {
    this.#patience.get(id)?.cancel();
    const timer = this.#options.clock.setTimer(this.#limits.stopPatienceMs, () => {
      this.#patience.delete(id);
      this.#dispatch({ kind: "overdue", id });
    });
    this.#patience.set(id, timer);
  }

  /** Containers whose process ended while nobody could tell us. */
  #watchProcesses(): void {
    for (const [id, mark] of this.#processes) {
      if (isAlive(mark)) continue;
      this.#processes.delete(id);
      this.#dispatch({ kind: "vanished", id });
    }
  }

  #owned() {
    return ownedServices(this.#options.registry.services());
  }

  /** Each problem is logged once while it lasts. */
  #report(): void {
    const now = new Set<string>();
    for (const [id, { facts, problems }] of this.#state.containers)
      for (const problem of problems) {
        const key = `${id} ${problem}`;
        now.add(key);
        if (this.#reported.has(key)) continue;
        this.#reported.add(key);
        this.#options.log("warn", "container is not taken in as asked", {
          container: facts?.name ?? id,
          problem,
        });
      }
    for (const key of this.#reported) if (!now.has(key)) this.#reported.delete(key);
  }
}
