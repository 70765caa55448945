/**
 * What every part of the simulated fabric stands on: the seed, the points, the network, the one store and the
 * machines; and what all parts say about themselves.
 */
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
export type PlantedBug = "no fence" | "no fsync" | "late resume";

/** Something that may happen next. */
export interface Action {
  /**
   * What workloads do comes more often under some seeds than under others, and so does each fault. Repairs come always;
   * time ends within its step.
   */
  readonly kind: "addresses" | "keys" | "fault" | "repair" | "time";
  readonly weight: number;
  /** Answers what it begins, which goes on at points. */
  readonly run: () => Promise<void> | void;
}

/** So many changes the store remembers: too few for a watch that was cut off for long. */
const historyEventsMax = 60;

export class World {
  readonly random: Random;
  readonly trace = new Trace();
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly bug: PlantedBug | undefined;
  readonly storeMachine = new Machine(storeName, 1);
  readonly store: MemoryStore;
  readonly truth: Truth;
  readonly servers: readonly Machine[];
  readonly nodes: readonly Machine[];
  #violation: Violation | undefined;

  constructor(seed: number, bug?: PlantedBug) {
    this.bug = bug;
    this.random = new Random(seed);
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
      else if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError)
        this.broken(`a program error: ${error.stack}`);
    });
  }

  /** Time passes on every machine, by its own rate. */
  async advance(ms: number): Promise<void> {
    for (const machine of [this.storeMachine, ...this.machines]) await machine.advance(ms);
  }
}
