/**
 * UDP listener whose hot answers come from a thread (worker.ts). This side opens the socket, keeps the thread's
 * table current, and answers through the same socket what the thread passes on. A thread that ends unasked
 * is started again; while there is none, queries wait in the socket's buffer.
 */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Ip } from "../../addr/index.ts";
import type { Clock, Timer } from "../../clock/index.ts";
import { type Endpoint, listenFailed, type UdpHandlers, type UdpLimits } from "../listen/index.ts";
import type { CookiePolicy, ExemptRange, RateTerms } from "../serve/index.ts";
import type { TableBounds } from "./answer-table.ts";
import type { ReadyAnswers } from "./ready-answers.ts";
import {
  closeSocket,
  localPort,
  openUdpSocket,
  readSocketAddress,
  sendDatagram,
  socketAddressLength,
} from "./udp-socket.ts";
import {
  counter,
  type PassedQueries,
  sharedBytes,
  sharedCounters,
  sharedWords,
  type WorkerStep,
  type WorkerTerms,
  word,
} from "./worker-terms.ts";

/** The longest that the thread sleeps in the kernel, and so the longest that stopping takes. */
const sleepMs = 50;
const restartAfterMs = 1000;

export interface WorkerFacts {
  readonly bounds: TableBounds;
  readonly limits: UdpLimits;
  readonly clock: Clock;
  readonly cookies: CookiePolicy;
  readonly rate: RateTerms;
  /** Who is never limited; the same array as long as nothing changed. */
  readonly exempt: () => readonly ExemptRange[];
  readonly onEnded: (error: unknown) => void;
}

export class WorkerUdpListener {
  readonly #handlers: UdpHandlers;
  readonly #ready: ReadyAnswers;
  readonly #facts: WorkerFacts;
  readonly #shared = sharedBytes();
  readonly #words = sharedWords(this.#shared);
  #fd = -1;
  #clientAddressBytes = 0;
  #inflight = 0;
  #worker: Worker | undefined;
  #unfollow: () => void = () => {};
  #restart: Timer | undefined;
  #exempt: readonly ExemptRange[] = [];

  constructor(handlers: UdpHandlers, ready: ReadyAnswers, facts: WorkerFacts) {
    this.#handlers = handlers;
    this.#ready = ready;
    this.#facts = facts;
  }

  /** Answers where it listens. @throws DNS_LISTEN_FAILED */
  async start(endpoint: Endpoint): Promise<Endpoint> {
    try {
      this.#fd = openUdpSocket(endpoint, this.#facts.limits.receiveBufferBytes, sleepMs);
      this.#clientAddressBytes = socketAddressLength(endpoint.address);
      await once(this.#startWorker(), "online");
      return { address: endpoint.address, port: localPort(this.#fd) };
    } catch (error) {
      throw listenFailed("UDP", endpoint, error);
    }
  }

  async stop(): Promise<void> {
    this.#restart?.cancel();
    this.#unfollow();
    Atomics.store(this.#words, word.stop, 1);
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker) await once(worker, "exit");
    if (this.#fd >= 0) closeSocket(this.#fd);
    this.#fd = -1;
  }

  /** Queries that the thread answered, passed on, and dropped. */
  counts(): Readonly<Record<keyof typeof counter, number>> {
    const counters = sharedCounters(this.#shared);
    const read = (index: number) => Number(Atomics.load(counters, index));
    return {
      ready: read(counter.ready),
      passed: read(counter.passed),
      dropped: read(counter.dropped),
      limited: read(counter.limited),
    };
  }

  #startWorker(): Worker {
    const { bounds, limits, cookies, rate, onEnded } = this.#facts;
    Atomics.store(this.#words, word.passed, 0);
    const worker = new Worker(new URL(`./worker${extname(import.meta.filename)}`, import.meta.url), {
      workerData: {
        fd: this.#fd,
        clientAddressBytes: this.#clientAddressBytes,
        bounds,
        uses: this.#ready.uses,
        passedMax: limits.inflightMax,
        shared: this.#shared,
        seed: randomInt(1, 0x7fffffff),
        cookies,
        rate,
      } satisfies WorkerTerms,
    });
    this.#worker = worker;
    this.#exempt = [];
    this.#tellExempt(worker);
    this.#unfollow = this.#ready.follow((step) => this.#tell(worker, step));
    worker.on("message", (queries: PassedQueries) => this.#take(queries));
    worker.on("error", onEnded);
    worker.on("exit", () => {
      if (this.#worker !== worker) return;
      this.#unfollow();
      this.#restart = this.#facts.clock.setTimer(restartAfterMs, () => void this.#startWorker());
    });
    return worker;
  }

  #tell(worker: Worker, step: WorkerStep): void {
    worker.postMessage(step);
    Atomics.add(this.#words, word.generation, 1);
  }

  #tellExempt(worker: Worker): void {
    const ranges = this.#facts.exempt();
    if (ranges === this.#exempt) return;
    this.#exempt = ranges;
    this.#tell(worker, { kind: "exempt", ranges });
  }

  #take(queries: PassedQueries): void {
    Atomics.sub(this.#words, word.passed, queries.length);
    if (this.#worker) this.#tellExempt(this.#worker);
    for (const [query, client] of queries) {
      const ip = readSocketAddress(client);
      const ready = this.#handlers.ready(query, ip);
      if (ready === undefined) void this.#general(query, client, ip);
      else if (ready !== "none") sendDatagram(this.#fd, ready, client);
    }
  }

  async #general(query: Uint8Array, client: Uint8Array, ip: Ip): Promise<void> {
    if (this.#inflight >= this.#facts.limits.inflightMax) {
      this.#handlers.onDropped();
      return;
    }
    this.#inflight++;
    const reply = await this.#handlers.handle(query, ip);
    this.#inflight--;
    if (reply && this.#fd >= 0) sendDatagram(this.#fd, reply, client);
  }
}
