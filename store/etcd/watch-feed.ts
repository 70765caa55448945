/**
 * Keeps the hub in step with etcd: one watch over the whole prefix, opened again on another member whenever it is lost,
 * from where it was.
 *
 * Always holds: every revision reaches the hub once and in order. A watch counts as lost when the stream ends, when
 * the member has no leader, when it is silent for `silenceMaxMs` although asked for a sign of life, or when a reader
 * doubts it. When no member serves one, the hub is told, so that nobody takes old for new. History that etcd has
 * compacted meanwhile is a hole that the hub is told of, too. What a replacement writes step by step reaches the hub as
 * one revision (restore/).
 *
 * An answer to a progress request is a sign of life and no more: before 3.4.25 and 3.5.8 it could overtake events
 * (etcd issue 15220). The periodic progress of one watch comes in order and counts.
 */
import { create } from "@bufbuild/protobuf";
import type { ServiceError } from "@grpc/grpc-js";
import type { Clock, Timer } from "../../clock/index.ts";
import type { WatchHub } from "../core/watch-hub.ts";
import type { StoreEvent } from "../store.ts";
import { judge, unavailable } from "./call-failure.ts";
import { calls } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import type { Keyspace } from "./keyspace.ts";
import type { EtcdLimits } from "./limits.ts";
import type { Member } from "./member.ts";
import {
  type Event,
  type WatchRequest,
  WatchRequestSchema,
  type WatchResponse,
} from "./proto/gen/etcd_pb.ts";
import { decodeMarker } from "./restore/restore-record.ts";
import { TornHistory } from "./restore/torn-history.ts";

const deleteEvent = 1;

export interface WatchFeedOptions {
  readonly cluster: Cluster;
  readonly space: Keyspace;
  readonly hub: WatchHub;
  readonly clock: Clock;
  readonly limits: EtcdLimits;
  /** The engine's revision now, by a linearizable read, with no replacement under way. */
  readonly currentRevision: () => Promise<number>;
  /** The marker of a replacement was written in that revision; undefined: it is gone. */
  readonly onMarker: (modRevision: bigint | undefined) => void;
}

export class WatchFeed {
  readonly #options: WatchFeedOptions;
  readonly #running: Promise<void>;
  #next: number;
  #lose: ((why: string) => void) | undefined;
  #partial: Event[] = [];
  #compacted = false;
  #closed = false;
  readonly #torn = new TornHistory();

  constructor(options: WatchFeedOptions, from: number) {
    this.#options = options;
    this.#next = from;
    this.#running = this.#run();
  }

  /** The present stream is not to be trusted: it should have had something long ago. */
  suspect(): void {
    if (!this.#torn.isOpen) this.#lose?.("a read saw what it did not bring");
  }

  /** A read at this revision, which the hub has reached, fell into a replacement. */
  isTorn(revision: number): boolean {
    return this.#torn.isTorn(revision);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#lose?.("the store was closed");
    await this.#running;
  }

  async #run(): Promise<void> {
    const { cluster, hub, clock, limits } = this.#options;
    let waitMs: number = limits.retryMinMs;
    while (!this.#closed) {
      let why = "";
      for (const member of cluster.inOrder()) {
        if (this.#closed) return;
        const { served, reason } = await this.#follow(member);
        if (this.#compacted) await this.#skipHole();
        if (served) {
          why = "";
          waitMs = limits.retryMinMs;
          if (!this.#closed) await clock.sleep(limits.retryMinMs);
          break;
        }
        why = reason;
      }
      if (why === "" || this.#closed) continue;
      hub.interrupt(unavailable("watch the store", `no member serves a watch (${why})`));
      await clock.sleep(waitMs);
      waitMs = Math.min(waitMs * 2, limits.retryMaxMs);
    }
  }

  /** One stream, until it is lost. `served`: etcd accepted the watch. */
  async #follow(member: Member): Promise<{ served: boolean; reason: string }> {
    const { cluster, space, hub, clock, limits } = this.#options;
    let served = false;
    try {
      await cluster.admit(member, limits.connectTimeoutMs);
      const stream = member.stream(calls.watch, await cluster.metadata(member));
      this.#partial = [];
      const reason = await new Promise<string>((resolve) => {
        let silence: Timer;
        const lose = (why: string) => {
          silence.cancel();
          stream.cancel();
          resolve(why);
        };
        const listen = (stage: "quiet" | "asked") => {
          const delayMs =
            stage === "quiet" ? limits.silenceProbeMs : limits.silenceMaxMs - limits.silenceProbeMs;
          silence = clock.setTimer(delayMs, () => {
            if (stage === "asked") return lose(`${member.address} was silent for ${limits.silenceMaxMs} ms`);
            stream.write(
              create(WatchRequestSchema, { requestUnion: { case: "progressRequest", value: {} } }),
            );
            listen("asked");
          });
        };
        listen("quiet");
        this.#lose = lose;
        stream.on("error", (error: ServiceError) => {
          if (judge(error, "watch").kind === "token") cluster.forgetToken();
          lose(error.details);
        });
        stream.on("end", () => lose(`${member.address} ended it`));
        stream.on("data", (response: WatchResponse) => {
          silence.cancel();
          listen("quiet");
          if (response.canceled) {
            this.#compacted = response.compactRevision > 0n;
            lose(response.cancelReason || "etcd canceled it");
          } else if (response.created) {
            served = true;
            hub.resume();
          } else this.#take(response);
        });
        stream.write(this.#request(space));
        if (this.#closed) lose("the store was closed");
      });
      if (!this.#closed && !this.#compacted) cluster.failed(member);
      return { served, reason };
    } catch (error) {
      cluster.failed(member);
      return { served, reason: (error as Error).message };
    } finally {
      this.#lose = undefined;
    }
  }

  #request(space: Keyspace): WatchRequest {
    const value = {
      ...space.whole(),
      startRevision: BigInt(this.#next),
      progressNotify: true,
      fragment: true,
    };
    return create(WatchRequestSchema, { requestUnion: { case: "createRequest", value } });
  }

  #take({ events, fragment, watchId, header }: WatchResponse): void {
    this.#partial.push(...events);
    if (fragment) return;
    const whole = this.#partial;
    this.#partial = [];
    for (let start = 0; start < whole.length; ) {
      const revision = whole[start]?.kv?.modRevision;
      let end = start;
      while (end < whole.length && whole[end]?.kv?.modRevision === revision) end++;
      this.#publish(Number(revision), whole.slice(start, end));
      start = end;
    }
    // The progress of our one watch; answers to requests carry -1.
    if (whole.length === 0 && watchId >= 0n && header) this.#publish(Number(header.revision), []);
  }

  #publish(revision: number, wire: readonly Event[]): void {
    const { space, hub } = this.#options;
    if (revision < this.#next) return;
    const events = wire.flatMap((event) => storeEvent(space, event, revision));
    this.#next = revision + 1;
    const told = this.#torn.take({ revision, events }, this.#markerIn(wire));
    if (!told) return;
    if (told.events.length > 0) hub.publish(told);
    else hub.advance(revision);
  }

  #markerIn(wire: readonly Event[]): "applying" | "gone" | undefined {
    const { space, onMarker } = this.#options;
    const event = wire.findLast(({ kv }) => kv && Buffer.compare(kv.key, space.restoreKey) === 0);
    if (!event?.kv) return undefined;
    const isGone = event.type === deleteEvent;
    onMarker(isGone ? undefined : event.kv.modRevision);
    if (isGone) return "gone";
    return decodeMarker(event.kv.value).phase === "applying" ? "applying" : undefined;
  }

  /** What etcd has forgotten is gone for our readers, too. */
  async #skipHole(): Promise<void> {
    const { hub, currentRevision } = this.#options;
    const revision = await currentRevision().catch(() => undefined);
    if (revision === undefined) return;
    this.#compacted = false;
    this.#torn.reset();
    hub.reset(revision);
    this.#next = revision + 1;
  }
}

function storeEvent(space: Keyspace, { type, kv }: Event, revision: number): StoreEvent[] {
  if (!kv) return [];
  const key = space.decode(kv.key);
  if (key === undefined) return [];
  if (type === deleteEvent) return [{ kind: "delete", key, modRevision: revision }];
  return [{ kind: "put", item: space.item(kv), created: kv.createRevision === kv.modRevision }];
}
