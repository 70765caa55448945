/**
 * The HTTP listener, on TCP, with TLS or without, or on a unix socket: it gives each socket a connection, looks after
 * their time with one timer for all, and ends gracefully: no new work, long polls sent home, the rest finished.
 *
 * HTTP/1.1 is spoken by this folder and not by node:http, which keeps 12 KB for each connection that waits where a
 * socket takes 2.5 (docs/decisions/015-http-engine.md).
 */
import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { FabricError } from "../../errors/index.ts";
import type { ApiHandler } from "../request.ts";
import { createTlsFront, type TlsFront, type TlsFrontOptions } from "../tls/tls-front.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import { defaultHttpLimits, type HttpLimits } from "./limits.ts";

export type HttpAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** Made with mode 0600. */
  | { readonly kind: "unix"; readonly path: string };

export interface HttpServerOptions {
  readonly handle: ApiHandler;
  readonly listen: HttpAddress;
  /** On TCP: the connections are TLS. */
  readonly tls?: Omit<TlsFrontOptions, "handshakeMs">;
  readonly limits?: Partial<HttpLimits>;
}

const tickMsMax = 1000;

export class HttpServer implements ConnectionHost {
  readonly handle: ApiHandler;
  readonly limits: HttpLimits;
  tick = 0;
  closing: FabricError | undefined;
  readonly #server: Server;
  readonly #front: TlsFront | undefined;
  readonly #connections = new Set<Connection>();
  readonly #tickMs: number;
  readonly #ticker: NodeJS.Timeout;

  /** @throws API_LISTEN */
  static async listen(options: HttpServerOptions): Promise<HttpServer> {
    const http = new HttpServer(options);
    const { listen } = options;
    const where = listen.kind === "tcp" ? `${listen.host}:${listen.port}` : listen.path;
    try {
      if (listen.kind === "unix") await rm(listen.path, { force: true });
      await new Promise<void>((resolve, reject) => {
        http.#server.once("error", reject);
        const done = () => resolve();
        if (listen.kind === "tcp") http.#server.listen({ host: listen.host, port: listen.port }, done);
        else http.#server.listen({ path: listen.path }, done);
      });
      if (listen.kind === "unix") await chmod(listen.path, 0o600);
    } catch (cause) {
      clearInterval(http.#ticker);
      http.#server.close();
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new FabricError(
        "API_LISTEN",
        `listen for HTTP on ${where}: ${why}; stop what holds it or choose another`,
        {
          cause,
          details: { address: where },
        },
      );
    }
    return http;
  }

  private constructor({ handle, limits, tls }: HttpServerOptions) {
    this.handle = handle;
    this.limits = { ...defaultHttpLimits, ...limits };
    this.#tickMs = Math.min(tickMsMax, this.limits.headersTimeoutMs / 4);
    // Counted, not read from a clock: a process that stood still has not looked at what came meanwhile either.
    this.#ticker = setInterval(() => this.#tickAll(), this.#tickMs).unref();
    const accept = (socket: Socket) => {
      if (this.closing) socket.destroy();
      else this.#connections.add(new Connection(this, socket));
    };
    this.#front = tls && createTlsFront({ ...tls, handshakeMs: this.limits.handshakeMs }, accept);
    this.#server = this.#front?.server ?? createServer({ allowHalfOpen: true, noDelay: true }, accept);
    this.#server.maxConnections = this.limits.connectionsMax;
  }

  /** Port that was bound, for listeners on TCP with port 0. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  ticksOf(ms: number): number {
    return Math.ceil(ms / this.#tickMs) + 1;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.closing = new FabricError("API_CLOSING", "the process is stopping; ask again, or another server");
    this.#front?.cutHandshakes();
    for (const connection of this.#connections) connection.closing();
    const late = setTimeout(() => {
      for (const connection of this.#connections) connection.cut();
    }, this.limits.closeGraceMs);
    await closed;
    clearTimeout(late);
    clearInterval(this.#ticker);
  }

  gone(connection: Connection): void {
    this.#connections.delete(connection);
  }

  #tickAll(): void {
    this.tick++;
    for (const connection of this.#connections) connection.ticked();
  }
}
