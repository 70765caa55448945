/**
 * Lets in so many agents at one time. A handshake, a join and what an agent asks for first cost some milliseconds; when
 * all agents of a restarted server knock at once, and all were begun with, none would be done before it gives up and
 * comes again, and the work was for nothing. So connections wait here unread, in order of arrival, which costs next to
 * nothing. Who waited for longer than agents have patience is sent away, to come back after its own wait.
 *
 * A connection has passed when its agent was welcomed, when it ended, or after `passMaxMs`.
 */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../../clock/index.ts";

export interface GateOptions {
  readonly clock: Clock;
  /** Connections between their acceptance and the welcome. */
  readonly enteringMax: number;
  /** Connections that wait for that. */
  readonly waitingMax: number;
  /** Below the patience of agents, `handshakeTimeoutMs`. */
  readonly waitMaxMs: number;
  readonly passMaxMs: number;
}

interface Waiting {
  readonly socket: Socket;
  readonly sinceMs: number;
  readonly enter: (socket: Socket) => void;
}

export class Gate {
  readonly #options: GateOptions;
  /** By peer, as gRPC prints it. */
  readonly #entering = new Map<string, Timer>();
  #waiting: Waiting[] = [];
  #turnedAway = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  status(): { readonly entering: number; readonly waiting: number; readonly turnedAway: number } {
    return { entering: this.#entering.size, waiting: this.#waiting.length, turnedAway: this.#turnedAway };
  }

  /** `socket` was accepted with `pauseOnConnect`; `enter` takes it over when it is its turn. */
  arrive(socket: Socket, enter: (socket: Socket) => void): void {
    const { enteringMax, waitingMax, clock } = this.#options;
    socket.on("error", () => socket.destroy());
    if (this.#entering.size < enteringMax) this.#enter(socket, enter);
    else if (this.#waiting.length < waitingMax)
      this.#waiting.push({ socket, sinceMs: clock.monotonicMs(), enter });
    else this.#turnAway(socket);
  }

  /** The agent of the connection from `ADDRESS:PORT` is in. */
  passed(peer: string): void {
    const timer = this.#entering.get(peer);
    if (!timer) return;
    timer.cancel();
    this.#entering.delete(peer);
    this.#next();
  }

  close(): void {
    for (const { socket } of this.#waiting.splice(0)) socket.destroy();
    for (const timer of this.#entering.values()) timer.cancel();
    this.#entering.clear();
  }

  #enter(socket: Socket, enter: (socket: Socket) => void): void {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const { clock, passMaxMs } = this.#options;
    this.#entering.set(
      peer,
      clock.setTimer(passMaxMs, () => this.passed(peer)),
    );
    socket.once("close", () => this.passed(peer));
    socket.resume();
    enter(socket);
  }

  #next(): void {
    const { clock, waitMaxMs, enteringMax } = this.#options;
    while (this.#entering.size < enteringMax) {
      const next = this.#waiting.shift();
      if (!next) return;
      const { socket, sinceMs, enter } = next;
      if (clock.monotonicMs() - sinceMs > waitMaxMs) this.#turnAway(socket);
      else if (!socket.destroyed) this.#enter(socket, enter);
    }
  }

  #turnAway(socket: Socket): void {
    this.#turnedAway += 1;
    socket.destroy();
  }
}
