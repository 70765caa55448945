/**
 * What every part of the simulated fabric stands on: the seed, the points, the network, the one store and the
 * machines; and what all parts say about themselves.
 */
import type { ControlServerLimits } from "../../../control/index.ts";
import { MemoryStore } from "../../../store/index.ts";
import { Machine } from "./life.ts";
import { Network } from "./network.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { storeName } from "./store-link.ts";
import { Trace } from "./trace.ts";
import { Truth } from "./truth.ts";
import { Violation } from "./violation.ts";

/** Bugs that a test plants to see them found. None of them is a switch of the product. */
export const plantedBugs = [
  "no fence",
  "early reclaim",
  "no fsync",
  "late resume",
  "no lease",
  "forgotten row",
] as const;
export type PlantedBug = (typeof plantedBugs)[number];

/** How fast life is: the same things happen within minutes, or with the terms of a real fabric, within days. */
export interface Pace {
  readonly name: "minutes" | "days";
  readonly reclaimAfterMs: number;
  readonly marginMs: number;
  /** Other than the defaults. */
  readonly server: Partial<ControlServerLimits>;
  /** How much time passes: often, now and then, rarely. */
  readonly waitsMs: readonly (readonly [number, number])[];
  /** Of a long time, how much passes at once, and how much work is done then. */
  readonly breathMs: number;
  readonly pointsPerBreath: number;
  /** What passes while so much work is done: enough that some gets done before its time is over. */
  readonly sliceMs: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const paces: Readonly<Record<Pace["name"], Pace>> = {
  minutes: {
    name: "minutes",
    reclaimAfterMs: 240_000,
    marginMs: 20_000,
    // As agents of a server that has many of them: those beat the least, and are the last to find that it is silent.
    server: { heartbeatMinMs: 2000 },
    waitsMs: [
      [10, 500],
      [500, 5000],
      [5000, 40_000],
      [200_000, 330_000],
    ],
    breathMs: 5000,
    pointsPerBreath: 40,
    sliceMs: 0,
  },
  days: {
    name: "days",
    reclaimAfterMs: 24 * hourMs,
    marginMs: hourMs,
    server: { heartbeatIntervalMs: 10 * minuteMs, deadAfterMs: 30 * minuteMs, liveTtlMs: 50 * minuteMs },
    waitsMs: [
      [10, 500],
      [500, 10_000],
      [minuteMs, 4 * hourMs],
      [20 * hourMs, 27 * hourMs],
    ],
    breathMs: 15 * minuteMs,
    pointsPerBreath: 60,
    sliceMs: 20,
  },
};
/** Of the seeds. */
const daysChance = 0.05;

/** Something that may happen next. */
export interface Action {
  /**
   * What workloads do comes more often under some seeds than under others, and so does each fault. Repairs come always;
   * time ends within its step.
   */
  readonly kind: "addresses" | "services" | "keys" | "fault" | "repair" | "time";
  readonly weight: number;
  /** Answers what it begins, which goes on at points. */
  readonly run: () => Promise<void> | void;
}

const pointsPerSlice = 8;
/** So many changes the store remembers: too few for a watch that was cut off for long. */
const historyEventsMax = 60;

export class World {
  readonly random: Random;
  readonly trace = new Trace();
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly bug: PlantedBug | undefined;
  readonly pace: Pace;
  readonly storeMachine = new Machine(storeName, 1);
  readonly store: MemoryStore;
  readonly truth: Truth;
  readonly servers: readonly Machine[];
  readonly nodes: readonly Machine[];
  #violation: Violation | undefined;

  constructor(seed: number, bug?: PlantedBug, pace?: Pace["name"]) {
    this.bug = bug;
    this.random = new Random(seed);
    const isDays = this.random.chance(daysChance);
    this.pace = paces[pace ?? (isDays ? "days" : "minutes")];
    this.scheduler = new Scheduler(this.random, this.trace);
    this.network = new Network(this.scheduler, this.random);
    let ids = 0;
    this.store = new MemoryStore({
      clock: this.storeMachine.clock,
      newId: () => `id${ids++}`,
      limits: { historyEventsMax },
    });
    this.truth = Truth.follow(this.store);
    const rate = () => 0.97 + this.random.next() * 0.06;
    this.servers = ["s0", "s1"].map((name) => new Machine(name, rate()));
    this.nodes = ["n0", "n1", "n2"].map((name) => new Machine(name, rate()));
  }

  get machines(): readonly Machine[] {
    return [...this.servers, ...this.nodes];
  }

  /** The first promise that was seen broken. */
  get violation(): Violation | undefined {
    return this.#violation;
  }

  broken(message: string): void {
    this.#violation ??= new Violation(message);
  }

  /** Work that nobody waits for: it may fail, as everything may here, but break no promise. */
  start(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (error instanceof Violation) this.#violation ??= error;
      else if (isProgramError(error)) this.broken(`a program error: ${error.stack}`);
    });
  }

  /** Lets so many points pass, as long as there are any, and looks after each. */
  async work(points: number, look?: () => Promise<void>): Promise<void> {
    for (let i = 0; i < points && !this.#violation; i++) {
      if (this.pace.sliceMs > 0 && i % pointsPerSlice === 0) await this.advance(this.pace.sliceMs);
      if (!(await this.scheduler.passOne())) return;
      await look?.();
    }
  }

  /** Time passes on every machine, by its own rate. */
  async advance(ms: number): Promise<void> {
    for (const machine of [this.storeMachine, ...this.machines]) await machine.advance(ms);
  }
}

export function isProgramError(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}
