/**
 * Keep-alives of all leases over one stream to one member: what thousands of agents cost is a message each, not a call.
 *
 * Always holds: who waits is answered once; when the stream is lost all of them are told, and may ask again.
 */
import { create } from "@bufbuild/protobuf";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import type { Clock } from "../../clock/index.ts";
import { calls } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import type { Member } from "./member.ts";
import {
  type LeaseKeepAliveRequest,
  LeaseKeepAliveRequestSchema,
  type LeaseKeepAliveResponse,
} from "./proto/gen/etcd_pb.ts";

type Answer = (ttlSeconds: number | undefined) => void;

interface Open {
  readonly member: Member;
  readonly stream: ClientDuplexStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;
  readonly waiting: Map<bigint, Answer[]>;
}

export class LeaseStream {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  #open: Open | undefined;

  constructor(cluster: Cluster, clock: Clock) {
    this.#cluster = cluster;
    this.#clock = clock;
  }

  /** The lease's time in seconds, 0 when it has ended; undefined when the member did not answer in time. */
  async keepAlive(member: Member, lease: bigint, timeoutMs: number): Promise<number | undefined> {
    const open = await this.#streamTo(member);
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(timeoutMs, () => this.#end(open));
      const answer: Answer = (ttlSeconds) => {
        timer.cancel();
        resolve(ttlSeconds);
      };
      const others = open.waiting.get(lease);
      if (others) others.push(answer);
      else open.waiting.set(lease, [answer]);
      open.stream.write(create(LeaseKeepAliveRequestSchema, { id: lease }));
    });
  }

  close(): void {
    if (this.#open) this.#end(this.#open);
  }

  async #streamTo(member: Member): Promise<Open> {
    if (this.#open?.member === member) return this.#open;
    const metadata = await this.#cluster.metadata(member);
    // Another caller may have opened it meanwhile.
    if (this.#open?.member === member) return this.#open;
    this.close();
    const open: Open = { member, stream: member.stream(calls.leaseKeepAlive, metadata), waiting: new Map() };
    open.stream.on("data", ({ id, ttl }: LeaseKeepAliveResponse) => {
      const [first, ...others] = open.waiting.get(id) ?? [];
      if (others.length > 0) open.waiting.set(id, others);
      else open.waiting.delete(id);
      first?.(Number(ttl));
    });
    open.stream.on("error", () => this.#end(open));
    open.stream.on("end", () => this.#end(open));
    this.#open = open;
    return open;
  }

  #end(open: Open): void {
    if (this.#open === open) this.#open = undefined;
    open.stream.cancel();
    const waiting = [...open.waiting.values()].flat();
    open.waiting.clear();
    for (const answer of waiting) answer(undefined);
  }
}
