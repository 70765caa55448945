/**
 * Reads that wait for their topic to move, thousands at once: each is one small object that the registry, the
 * deadlines and the listener know, and one promise. The request lets go of what it came with meanwhile.
 */
import type { Clock } from "../clock/index.ts";
import type { Topic, Waiter } from "../registry/index.ts";
import type { RegistryProgress } from "./access/guarded-reads.ts";
import { Deadlines, type Due } from "./deadlines.ts";
import type { ApiRequest, Leaver } from "./request.ts";

export const waitDefaultMs = 300_000;
export const waitMaxMs = 600_000;

/** Clients allow for a sixteenth more than they asked for; deadlines take a 64th of it. */
const jitterShare = 3 / 64;

export class ParkedReads {
  readonly registry: RegistryProgress;
  readonly deadlines: Deadlines;
  readonly #random: () => number;

  constructor(registry: RegistryProgress, clock: Clock, random: () => number) {
    this.registry = registry;
    this.deadlines = new Deadlines(clock);
    this.#random = random;
  }

  /**
   * Resolves when the topic is above `index` or the time is over; 0 ms is the default time. Rejects when nobody
   * waits for the answer any more, and with REGISTRY_LIMIT and REGISTRY_CLOSED.
   */
  wait(topic: Topic, index: number, waitMs: number, request: ApiRequest): Promise<void> {
    const boundedMs = Math.min(waitMs === 0 ? waitDefaultMs : waitMs, waitMaxMs);
    const stretchedMs = boundedMs * (1 + this.#random() * jitterShare);
    return new Promise((resolve, reject) => {
      const read = new ParkedRead(this, topic, index, resolve, reject);
      try {
        read.park(stretchedMs, request);
      } catch (error) {
        read.ended(error);
      }
    });
  }
}

class ParkedRead implements Waiter, Due, Leaver {
  readonly topic: Topic;
  readonly index: number;
  readonly #owner: ParkedReads;
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;
  #dueMs = 0;
  #isParked = true;

  constructor(
    owner: ParkedReads,
    topic: Topic,
    index: number,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ) {
    this.#owner = owner;
    this.topic = topic;
    this.index = index;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  park(delayMs: number, request: ApiRequest): void {
    this.#dueMs = this.#owner.deadlines.add(this, delayMs);
    this.#owner.registry.park(this);
    if (!this.#isParked) return;
    const { signal } = request.park ? {} : request;
    if (request.park) request.park(this);
    else if (signal?.aborted) this.left(signal.reason);
    else signal?.addEventListener("abort", () => this.left(signal.reason), { once: true });
  }

  moved(): void {
    this.#settled();
    this.#resolve();
  }

  ended(reason: unknown): void {
    this.#settled();
    this.#reject(reason);
  }

  due(): void {
    this.#owner.registry.leave(this);
    this.moved();
  }

  /** A signal may tell so after the answer, too. */
  left(reason: unknown): void {
    if (!this.#isParked) return;
    this.#owner.registry.leave(this);
    this.ended(reason);
  }

  #settled(): void {
    this.#isParked = false;
    this.#owner.deadlines.remove(this, this.#dueMs);
  }
}
