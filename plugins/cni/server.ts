/**
 * The unix socket that the plugin binary talks to: one call a connection. Only root may connect (mode 0600):
 * whoever can, can attach containers.
 *
 * Bounds: connections, size and time of a request. Callers beyond them are answered with an error.
 */
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { makeDirectory } from "../../files/index.ts";
import { clearSocket } from "../unix-socket/index.ts";
import { type CniAnswer, cniErrorNumbers, errorAnswer } from "./answer.ts";
import { requestBytesMax } from "./shim/index.ts";
import { newestCniVersion } from "./version.ts";

export interface CniServerLimits {
  /** Calls under way; a further one is told to try again. */
  readonly connectionsMax: number;
  /** Environment and configuration of one call. */
  readonly requestBytesMax: number;
  /** Time for a request to arrive and for an answer to be taken. */
  readonly transferTimeoutMs: number;
}

export const cniServerLimits: CniServerLimits = {
  connectionsMax: 512,
  requestBytesMax,
  transferTimeoutMs: 5000,
};

export interface CniServerOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  readonly answer: (request: Uint8Array) => Promise<CniAnswer>;
  readonly limits?: Partial<CniServerLimits>;
}

export class CniServer {
  readonly #options: CniServerOptions;
  readonly #limits: CniServerLimits;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: CniServerOptions) {
    this.#options = options;
    this.#limits = { ...cniServerLimits, ...options.limits };
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  /** @throws CNI_SOCKET_IN_USE when another agent answers there or the path is something else, FILES_DIRECTORY_FAILED */
  static async listen(options: CniServerOptions): Promise<CniServer> {
    await clearSocket(options.socketPath, "CNI_SOCKET_IN_USE");
    makeDirectory(dirname(options.socketPath), 0o700);
    const server = new CniServer(options);
    await server.#bind();
    return server;
  }

  /** Takes no further call, waits for those under way, removes the socket. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const timer = this.#options.clock.setTimer(this.#limits.transferTimeoutMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
    timer.cancel();
    rmSync(this.#options.socketPath, { force: true });
  }

  /** libuv binds synchronously within `listen`, so the mask is changed for nobody else. */
  #bind(): Promise<void> {
    const mask = process.umask(0o177);
    try {
      return new Promise((resolve, reject) => {
        this.#server.once("error", (cause) =>
          reject(
            new FabricError("CNI_SOCKET_IN_USE", `listen at ${this.#options.socketPath}: ${cause.message}`, {
              cause,
            }),
          ),
        );
        this.#server.listen(this.#options.socketPath, resolve);
      });
    } finally {
      process.umask(mask);
    }
  }

  #serve(socket: Socket): void {
    const { connectionsMax, requestBytesMax, transferTimeoutMs } = this.#limits;
    const overloaded = this.#sockets.size >= connectionsMax;
    const timer = this.#options.clock.setTimer(transferTimeoutMs, () => socket.destroy());
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      timer.cancel();
      this.#sockets.delete(socket);
    });
    if (overloaded) {
      this.#send(socket, busy(connectionsMax));
      return;
    }
    const parts: Buffer[] = [];
    let bytes = 0;
    socket.on("data", (part) => {
      bytes += part.length;
      if (bytes <= requestBytesMax) parts.push(part);
      else if (!socket.writableEnded) this.#send(socket, tooLarge(requestBytesMax));
    });
    socket.on("end", () => {
      timer.cancel();
      if (bytes > requestBytesMax) return;
      void this.#options.answer(Buffer.concat(parts)).then((answer) => this.#send(socket, answer));
    });
  }

  /** Gone callers are no concern: the runtime asks again or takes the container down. */
  #send(socket: Socket, { status, stdout }: CniAnswer): void {
    if (socket.destroyed) return;
    const timer = this.#options.clock.setTimer(this.#limits.transferTimeoutMs, () => socket.destroy());
    socket.end(Buffer.concat([Buffer.of(status), Buffer.from(stdout)]), () => {
      timer.cancel();
      socket.destroy();
    });
  }
}

function busy(connectionsMax: number): CniAnswer {
  return errorAnswer({
    cniVersion: newestCniVersion,
    code: cniErrorNumbers.tryAgainLater,
    msg: `serve the CNI call: ${connectionsMax} calls are under way; try again later`,
  });
}

function tooLarge(requestBytesMax: number): CniAnswer {
  return errorAnswer({
    cniVersion: newestCniVersion,
    code: cniErrorNumbers.undecodable,
    msg: `read the CNI call: it is larger than ${requestBytesMax} bytes; make the configuration smaller`,
  });
}
