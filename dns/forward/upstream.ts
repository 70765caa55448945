/**
 * One name server that we ask, and what we know of it: how fast it is (a smoothed time, RFC 6298), whether it is to
 * be left alone for a while, its cookie (RFC 7873), and whether it understands EDNS. Over UDP ids, source ports and,
 * if asked for, the case of letters are random and a wrong cookie is not believed, so that a forged reply has to
 * guess (RFC 5452, draft-vixie-dnsext-dns0x20). What is truncated is asked again over a connection that is kept.
 *
 * A server that gave no answer rests, twice as long each time; then a question of our own finds out whether it
 * is back, so no client waits for that.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import { exchangeUdp, type NameServer, StreamClient } from "../client/index.ts";
import {
  classIn,
  cookieOption,
  type EdnsOption,
  emptyMessage,
  type Message,
  type Question,
  rcodes,
  typeNumbers,
} from "../wire/index.ts";

export interface UpstreamTerms {
  readonly clock: Clock;
  /** 0 to 65535, not to be foretold. */
  readonly randomId: () => number;
  readonly mixCase: boolean;
  /** For one try. */
  readonly timeoutMs: number;
  readonly restMinMs: number;
  readonly restMaxMs: number;
  readonly streamIdleMs: number;
  /** PEM of whom to trust for DNS over TLS. */
  readonly ca?: string;
}

export interface QueryBits {
  readonly checkingDisabled: boolean;
  readonly dnssecOk: boolean;
}

const upstreamUdpBytes = 1232;
/** Weight of a new time. */
const newest = 0.25;
/** A server that is not asked is believed to get faster again, by half in so long, so that it is tried. */
const halfLifeMs = 60_000;
const probe: Question = { name: "", type: typeNumbers.NS, class: classIn };

export class Upstream {
  readonly server: NameServer;
  readonly #terms: UpstreamTerms;
  readonly #marks: readonly EdnsOption[];
  readonly #stream: StreamClient;
  readonly #clientCookie: Uint8Array;
  #serverCookie: Uint8Array = new Uint8Array(0);
  #plain = false;
  #roundTripMs: number | undefined;
  #measuredAtMs = 0;
  #failures = 0;
  #rests = false;
  #probing: Timer | undefined;

  /** @param marks options that tell questions of ours */
  constructor(server: NameServer, marks: readonly EdnsOption[], terms: UpstreamTerms) {
    this.server = server;
    this.#marks = marks;
    this.#terms = terms;
    const { clock, timeoutMs, streamIdleMs: idleMs, randomId, ca } = terms;
    this.#stream = new StreamClient(server, {
      clock,
      timeoutMs,
      idleMs,
      randomId,
      ...(ca !== undefined && { ca }),
    });
    this.#clientCookie = Uint8Array.from({ length: 8 }, () => randomId() & 0xff);
  }

  /** It gave no answer lately, and none to a probe since. */
  get rests(): boolean {
    return this.#rests;
  }

  /** 0 before anything is known. */
  get roundTripMs(): number {
    const sinceMs = this.#terms.clock.monotonicMs() - this.#measuredAtMs;
    return (this.#roundTripMs ?? 0) * 0.5 ** (sinceMs / halfLifeMs);
  }

  /** Any reply of the server, whatever it says. @throws DNS_QUERY_FAILED */
  async ask(question: Question, bits: QueryBits): Promise<Message> {
    try {
      const reply = await this.#exchange(question, bits);
      if (isAnswer(reply)) this.#failures = 0;
      else this.#rest(1);
      return reply;
    } catch (error) {
      this.#rest(this.#failures + 1);
      throw error;
    }
  }

  close(): void {
    this.#probing?.cancel();
    this.#probing = undefined;
    this.#stream.close();
  }

  async #exchange(question: Question, bits: QueryBits): Promise<Message> {
    const { clock } = this.#terms;
    const startMs = clock.monotonicMs();
    const reply = await (this.server.tlsName === undefined
      ? this.#askUdp(question, bits)
      : this.#stream.ask(this.#query(question, bits, [])));
    this.#measured(clock.monotonicMs() - startMs);
    return reply;
  }

  async #askUdp(question: Question, bits: QueryBits, again = false): Promise<Message> {
    const { clock, timeoutMs } = this.#terms;
    const cookie = { code: cookieOption, data: Buffer.concat([this.#clientCookie, this.#serverCookie]) };
    const query = this.#query(question, bits, [cookie]);
    const reply = await exchangeUdp(this.server, query, {
      timeoutMs,
      clock,
      accept: (each) => this.#isOurCookie(each),
    });
    if (reply.truncated) return this.#stream.ask(this.#query(question, bits, []));
    if (reply.rcode === rcodes.BADCOOKIE) {
      return again ? this.#stream.ask(this.#query(question, bits, [])) : this.#askUdp(question, bits, true);
    }
    // RFC 6891 section 7: a server from before EDNS.
    if (!this.#plain && !reply.edns && (reply.rcode === rcodes.FORMERR || reply.rcode === rcodes.NOTIMP)) {
      this.#plain = true;
      return this.#askUdp(question, bits, true);
    }
    return reply;
  }

  #query(question: Question, bits: QueryBits, options: readonly EdnsOption[]): Message {
    const { randomId, mixCase } = this.#terms;
    const name = mixCase ? mixedCase(question.name, randomId) : question.name;
    const edns = {
      udpBytes: upstreamUdpBytes,
      version: 0,
      dnssecOk: bits.dnssecOk,
      options: [...this.#marks, ...options],
    };
    return {
      ...emptyMessage,
      id: randomId(),
      recursionDesired: true,
      checkingDisabled: bits.checkingDisabled,
      questions: [{ ...question, name }],
      ...(!this.#plain && { edns }),
    };
  }

  /** Takes the server's part; false if the part that we made is not ours. */
  #isOurCookie({ edns }: Message): boolean {
    const data = edns?.options.find(({ code }) => code === cookieOption)?.data;
    if (!data || data.length < 16) return true;
    if (Buffer.compare(data.subarray(0, 8), this.#clientCookie) !== 0) return false;
    this.#serverCookie = data.slice(8, 40);
    return true;
  }

  #measured(ms: number): void {
    this.#roundTripMs = this.#roundTripMs === undefined ? ms : this.roundTripMs * (1 - newest) + ms * newest;
    this.#measuredAtMs = this.#terms.clock.monotonicMs();
  }

  #rest(failures: number): void {
    const { clock, restMinMs, restMaxMs } = this.#terms;
    this.#rests = true;
    this.#plain = false;
    this.#failures = failures;
    const restMs = Math.min(restMaxMs, restMinMs * 2 ** Math.min(30, failures - 1));
    this.#probing?.cancel();
    this.#probing = clock.setTimer(restMs, () => void this.#probe());
  }

  /** Whatever it says: it is there. */
  async #probe(): Promise<void> {
    const probing = this.#probing;
    try {
      await this.#exchange(probe, { checkingDisabled: false, dnssecOk: false });
      this.#rests = false;
      this.#failures = 0;
    } catch {
      if (this.#probing === probing) this.#rest(this.#failures + 1);
    }
  }
}

/** A reply that says something about the name, or that there is no such. */
export function isAnswer({ rcode }: Message): boolean {
  return rcode === rcodes.NOERROR || rcode === rcodes.NXDOMAIN;
}

function mixedCase(name: string, random: () => number): string {
  return name.replace(/[a-z]/gi, (letter) => (random() & 1 ? letter.toUpperCase() : letter.toLowerCase()));
}
