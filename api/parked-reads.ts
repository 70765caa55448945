/**
 * Reads that wait for their topic to move, thousands at once: each is one small object that the registry, the
 * deadlines and the listener know. Where the listener can ask a request anew, nothing else is kept of it meanwhile, no
 * promise and no frame.
 */
import { type Clock, Deadlines, type Due } from "../clock/index.ts";
import type { Topic, Waiter } from "../registry/index.ts";
import type { RegistryProgress } from "./access/guarded-reads.ts";
import type { ApiRequest, Leaver, Resumer } from "./request.ts";

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
   * waits for the answer any more, and with REGISTRY_LIMIT and REGISTRY_CLOSED. Of a request that can be parked
   * it only rejects: the request is asked anew in place of the rest.
   */
  wait(topic: Topic, index: number, waitMs: number, request: ApiRequest): Promise<void> {
    const boundedMs = Math.min(waitMs === 0 ? waitDefaultMs : waitMs, waitMaxMs);
    const stretchedMs = boundedMs * (1 + this.#random() * jitterShare);
    return new Promise((resolve, reject) => {
      const read = new ParkedRead(this, topic, index);
      if (request.park) read.begin(stretchedMs, request.park(read));
      else {
        const { signal } = request;
        const leave = () => {
          read.left();
          reject(signal?.reason as Error);
        };
        if (signal?.aborted) leave();
        else {
          signal?.addEventListener("abort", leave, { once: true });
          const resume: Resumer["resume"] = ({ failure }) =>
            failure === undefined ? resolve() : reject(failure as Error);
          read.begin(stretchedMs, { resume });
        }
      }
    });
  }
}

class ParkedRead implements Waiter, Due, Leaver {
  readonly topic: Topic;
  readonly index: number;
  readonly #owner: ParkedReads;
  #resumer: Resumer | undefined;
  #dueMs = 0;
  #isOver = false;

  constructor(owner: ParkedReads, topic: Topic, index: number) {
    this.#owner = owner;
    this.topic = topic;
    this.index = index;
  }

  begin(delayMs: number, resumer: Resumer): void {
    if (this.#isOver) return;
    this.#resumer = resumer;
    this.#dueMs = this.#owner.deadlines.add(this, delayMs);
    try {
      this.#owner.registry.park(this);
    } catch (failure) {
      this.ended(failure);
    }
  }

  moved(): void {
    this.#end()?.resume({});
  }

  ended(failure: unknown): void {
    this.#end()?.resume({ failure });
  }

  due(): void {
    this.#owner.registry.leave(this);
    this.moved();
  }

  left(): void {
    this.#owner.registry.leave(this);
    this.#end();
  }

  #end(): Resumer | undefined {
    const resumer = this.#resumer;
    if (resumer) this.#owner.deadlines.remove(this, this.#dueMs);
    this.#resumer = undefined;
    this.#isOver = true;
    return resumer;
  }
}
