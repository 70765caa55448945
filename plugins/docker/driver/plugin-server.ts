/**
 * The plugin protocol of Docker: `POST /<Method>` with JSON over a unix socket that only root may use (mode
 * 0600). Engines name no content type. Bounds: connections, and size and time of a request.
 *
 * Source: https://docs.docker.com/engine/extend/plugin_api/
 */
import { rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { dirname } from "node:path";
import { FabricError } from "../../../errors/index.ts";
import { makeDirectory } from "../../../files/index.ts";
import { clearSocket } from "../../unix-socket/index.ts";
import type { PluginAnswer } from "./docker-plugin.ts";

export interface PluginServerLimits {
  /** Engines keep a few connections each; a further one is closed. */
  readonly connectionsMax: number;
  readonly bodyBytesMax: number;
  /** Time for a request to arrive. */
  readonly requestTimeoutMs: number;
}

export const pluginServerLimits: PluginServerLimits = {
  connectionsMax: 256,
  bodyBytesMax: 1024 * 1024,
  requestTimeoutMs: 5000,
};

export interface PluginServerOptions {
  readonly socketPath: string;
  readonly answer: (method: string, body: Uint8Array) => Promise<PluginAnswer>;
  readonly limits?: Partial<PluginServerLimits>;
}

const contentType = "application/vnd.docker.plugins.v1.2+json";

export class PluginServer {
  readonly #options: PluginServerOptions;
  readonly #limits: PluginServerLimits;
  readonly #server: Server;

  private constructor(options: PluginServerOptions) {
    this.#options = options;
    this.#limits = { ...pluginServerLimits, ...options.limits };
    const { requestTimeoutMs, connectionsMax } = this.#limits;
    this.#server = createServer(
      {
        requestTimeout: requestTimeoutMs,
        headersTimeout: requestTimeoutMs,
        connectionsCheckingInterval: 1000,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = connectionsMax;
  }

  /** @throws DOCKER_SOCKET_IN_USE when another agent answers there or the path is something else, FILES_DIRECTORY_FAILED */
  static async listen(options: PluginServerOptions): Promise<PluginServer> {
    await clearSocket(options.socketPath, "DOCKER_SOCKET_IN_USE");
    makeDirectory(dirname(options.socketPath), 0o755);
    const server = new PluginServer(options);
    await server.#bind();
    return server;
  }

  /** Takes no further call, answers those under way, removes the socket. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await closed;
    rmSync(this.#options.socketPath, { force: true });
  }

  /** libuv binds synchronously within `listen`, so the mask is changed for nobody else. */
  #bind(): Promise<void> {
    const { socketPath } = this.#options;
    const mask = process.umask(0o177);
    try {
      return new Promise((resolve, reject) => {
        this.#server.once("error", (cause) =>
          reject(
            new FabricError("DOCKER_SOCKET_IN_USE", `listen at ${socketPath}: ${cause.message}`, { cause }),
          ),
        );
        this.#server.listen(socketPath, resolve);
      });
    } finally {
      process.umask(mask);
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await this.#read(request).catch(() => undefined);
    if (body === undefined) return void request.destroy();
    if (body === "too large") {
      const text = `a call may have ${this.#limits.bodyBytesMax} bytes`;
      return send(response, { status: 413, body: { Err: text, Error: text } });
    }
    const method = (request.url ?? "").slice(1);
    const isPost = request.method === "POST";
    const text = "calls are POST /<Method>";
    send(
      response,
      isPost ? await this.#options.answer(method, body) : { status: 405, body: { Err: text, Error: text } },
    );
  }

  async #read(request: IncomingMessage): Promise<Buffer | "too large"> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= this.#limits.bodyBytesMax) chunks.push(chunk);
    }
    return bytes > this.#limits.bodyBytesMax ? "too large" : Buffer.concat(chunks);
  }
}

function send(response: ServerResponse, { status, body }: PluginAnswer): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
