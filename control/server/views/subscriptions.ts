/**
 * The views of one session. A subscription begins by finding out what the agent holds already: the same content
 * is confirmed in a few bytes, an older one continues with a delta, all else gets a snapshot.
 *
 * An agent may have seen more at another server than this one knows yet. It is answered only once this server
 * has caught up with that revision (at most `catchUpMs`), so its view does not go back.
 */
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { ControlServerLimits } from "../../limits.ts";
import type { Subscribe } from "../../proto/gen/fabric_pb.ts";
import { asFabricError } from "../../wire-error.ts";
import type { Outbox } from "../session/outbox.ts";
import type { SharedView } from "./shared-view.ts";
import { encodeRefused } from "./view-encoding.ts";
import type { ViewHub } from "./view-hub.ts";
import type { ViewFeed } from "./view-source.ts";

const viewNameMax = 512;

interface Subscription {
  /** Undefined while the view is opened. */
  stop: (() => void) | undefined;
  ended: boolean;
  /** Ends the wait for an earlier revision; a server that is up to date never waits. */
  waiting?: AbortController;
}

export class Subscriptions {
  readonly #hub: ViewHub;
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #limits: ControlServerLimits;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(hub: ViewHub, outbox: Outbox, clock: Clock, limits: ControlServerLimits) {
    this.#hub = hub;
    this.#outbox = outbox;
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#subscriptions.size;
  }

  /** Again for the same view: begins anew. Refusals go to the agent. */
  subscribe(request: Subscribe): void {
    const name = request.view;
    this.unsubscribe(name);
    const { viewsPerAgentMax } = this.#limits;
    if (name.length > viewNameMax || this.#subscriptions.size >= viewsPerAgentMax) {
      this.#refuse(name.slice(0, viewNameMax), limitReached(viewsPerAgentMax));
      return;
    }
    const subscription: Subscription = { stop: undefined, ended: false };
    this.#subscriptions.set(name, subscription);
    this.#begin(request, subscription).catch((error: unknown) => {
      if (this.#subscriptions.get(name) !== subscription) return;
      this.#subscriptions.delete(name);
      this.#refuse(name, asFabricError(error));
    });
  }

  unsubscribe(view: string): void {
    const subscription = this.#subscriptions.get(view);
    if (!subscription) return;
    this.#subscriptions.delete(view);
    subscription.ended = true;
    subscription.waiting?.abort();
    subscription.stop?.();
    this.#outbox.forget(view);
  }

  close(): void {
    for (const view of [...this.#subscriptions.keys()]) this.unsubscribe(view);
  }

  async #begin({ view: name, revision, digest }: Subscribe, subscription: Subscription): Promise<void> {
    const { view, feed } = await this.#hub.acquire(name);
    if (subscription.ended) return this.#hub.release(name);
    subscription.stop = () => this.#hub.release(name);
    if (Number(revision) > 0) await this.#caughtUp(feed, Number(revision), subscription);
    if (subscription.ended) return;
    const stopListening = this.#follow(view, view.locate(Number(revision), digest));
    subscription.stop = () => {
      stopListening();
      this.#hub.release(name);
    };
  }

  /** Resolves when the feed is there, or when it took too long. */
  async #caughtUp(feed: ViewFeed, revision: number, subscription: Subscription): Promise<void> {
    const waiting = new AbortController();
    subscription.waiting = waiting;
    const timer = this.#clock.setTimer(this.#limits.catchUpMs, () => waiting.abort());
    await feed.caughtUp(revision, waiting.signal).catch(() => undefined);
    timer.cancel();
    delete subscription.waiting;
  }

  #follow(view: SharedView, located: number | undefined): () => void {
    let sent = located;
    const take = () => {
      if (sent === view.position) return [];
      const parts = view.updateFrom(sent);
      sent = view.position;
      return parts;
    };
    if (located === view.position)
      this.#outbox.mark(view.name, () => (sent === view.position ? view.unchanged() : take()));
    else this.#outbox.mark(view.name, take);
    return view.onChange(() => this.#outbox.mark(view.name, take));
  }

  #refuse(view: string, error: FabricError): void {
    this.#outbox.mark(view, () => encodeRefused(view, error));
  }
}

function limitReached(max: number): FabricError {
  return new FabricError(
    "CONTROL_LIMIT",
    `subscribe to a view: the agent has ${max} views already or the name is longer than ${viewNameMax}; drop some`,
    { details: { limit: "viewsPerAgentMax", max } },
  );
}
