/** What the DNS server counts, for metrics. */
import type { ForwarderStats } from "./forward/index.ts";
import { rcodeName } from "./wire/index.ts";

export interface DnsStats {
  /** Queries taken, by transport; ready answers included. */
  readonly udp: number;
  readonly tcp: number;
  /** Answered from the table of ready answers. */
  readonly ready: number;
  /** Of these, by the fast threads, without the main thread. */
  readonly readyInThreads: number;
  /** Replies of the general path by response code. */
  readonly replies: Readonly<Record<string, number>>;
  /** Queries or connections dropped because of a limit. */
  readonly dropped: number;
  /** Replies that were cut short or not sent because a network of strangers got too many equal ones. */
  readonly limited: number;
  readonly tcpConnections: number;
  readonly readyEntries: number;
  readonly forward: ForwarderStats;
}

export class Counters {
  udp = 0;
  tcp = 0;
  ready = 0;
  dropped = 0;
  readonly #replies = new Map<number, number>();

  noteReply(rcode: number): void {
    this.#replies.set(rcode, (this.#replies.get(rcode) ?? 0) + 1);
  }

  replies(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#replies].map(([rcode, count]) => [rcodeName(rcode), count]));
  }
}
