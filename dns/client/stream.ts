/**
 * A connection to one name server, over TCP or TLS, that is kept while it is used: questions are sent as they come
 * and answered in any order (RFC 7766). A connection that the server closed while it was idle is made anew, once,
 * for the questions that were lost with it. TLS verifies the server's name and never falls back to plain text.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock, Timer } from "../../clock/index.ts";
import type { FabricError } from "../../errors/index.ts";
import { FrameReader, frame } from "../listen/index.ts";
import { encodeMessage, type Message, messageBytesMax } from "../wire/index.ts";
import { type NameServer, queryFailed, readReply } from "./exchange.ts";

export interface StreamTerms {
  readonly timeoutMs: number;
  /** Without a question for so long, the connection is closed. */
  readonly idleMs: number;
  readonly clock: Clock;
  /** 0 to 65535, not to be foretold. */
  readonly randomId: () => number;
  /** PEM, instead of the authorities that Node trusts. */
  readonly ca?: string;
}

interface Pending {
  readonly query: Message;
  readonly resolve: (reply: Message) => void;
  readonly reject: (error: FabricError) => void;
  readonly timer: Timer;
  /** It may be asked again on another connection. */
  again: boolean;
}

export class StreamClient {
  readonly #server: NameServer;
  readonly #terms: StreamTerms;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | undefined;
  #idle: Timer | undefined;

  constructor(server: NameServer, terms: StreamTerms) {
    this.#server = server;
    this.#terms = terms;
  }

  /** @throws DNS_QUERY_FAILED */
  ask(asked: Message): Promise<Message> {
    const { clock, timeoutMs } = this.#terms;
    const id = this.#freeId(asked.id);
    const query = { ...asked, id };
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(timeoutMs, () => {
        this.#pending.delete(id);
        reject(queryFailed(this.#server, query, `no answer in ${timeoutMs} ms`));
        this.#rest();
      });
      const reused = this.#socket !== undefined;
      this.#pending.set(id, { query, resolve, reject, timer, again: reused });
      this.#send(query);
    });
  }

  /** Fails what is under way. */
  close(): void {
    this.#fail("the connection is closed", undefined, false);
  }

  #send(query: Message): void {
    this.#idle?.cancel();
    this.#socket ??= this.#connect();
    this.#socket.write(frame(encodeMessage(query)));
  }

  #connect(): Socket {
    const { address: host, port, tlsName: servername } = this.#server;
    const { ca } = this.#terms;
    const socket =
      servername === undefined
        ? connect({ host, port })
        : connectTls({ host, port, servername, ALPNProtocols: ["dot"], ...(ca !== undefined && { ca }) });
    const frames = new FrameReader(messageBytesMax);
    socket.setNoDelay(true);
    socket.unref();
    const gone = (why: string, cause?: unknown) => {
      if (this.#socket === socket) this.#fail(why, cause, true);
    };
    socket.on("error", (error) => gone(error.message, error));
    socket.on("close", () => gone("the server closed the connection"));
    socket.on("data", (chunk: Buffer) => {
      const messages = frames.push(chunk);
      if (!messages) gone("it sent an empty message");
      for (const message of messages ?? []) this.#take(message);
    });
    return socket;
  }

  #take(bytes: Buffer): void {
    const pending = bytes.length >= 2 ? this.#pending.get(bytes.readUInt16BE(0)) : undefined;
    const reply = pending && readReply(bytes, pending.query);
    if (!pending || !reply) return;
    this.#pending.delete(pending.query.id);
    pending.timer.cancel();
    for (const each of this.#pending.values()) each.again = false;
    pending.resolve(reply);
    this.#rest();
  }

  #fail(why: string, cause: unknown, mayRetry: boolean): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#idle?.cancel();
    socket?.destroy();
    for (const [id, pending] of [...this.#pending]) {
      if (mayRetry && pending.again) {
        pending.again = false;
        this.#send(pending.query);
        continue;
      }
      this.#pending.delete(id);
      pending.timer.cancel();
      pending.reject(queryFailed(this.#server, pending.query, why, cause));
    }
  }

  #rest(): void {
    if (this.#pending.size > 0 || !this.#socket) return;
    this.#idle?.cancel();
    this.#idle = this.#terms.clock.setTimer(this.#terms.idleMs, () => this.close());
  }

  #freeId(wanted: number): number {
    let id = wanted;
    while (this.#pending.has(id)) id = this.#terms.randomId();
    return id;
  }
}
