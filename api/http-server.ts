/**
 * The HTTP listener, on TCP or a unix socket. It bounds what a stranger can hold: connections, header and body
 * sizes, the time to send a request; and ends gracefully: no new work, long polls sent home, the rest finished.
 */
import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Server as SocketServer } from "node:net";
import { FabricError } from "../errors/index.ts";
import { type Closing, IncomingRequest, noBody } from "./incoming-request.ts";
import { type ApiHandler, type ApiResponse, isByteStream, isUpload } from "./request.ts";
import { createTlsFront, type TlsFrontOptions } from "./tls/tls-front.ts";
import { writeStream } from "./write-stream.ts";

export interface HttpLimits {
  readonly connectionsMax: number;
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  readonly handshakeMs: number;
  /** From the first byte of a connection or request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** To the end of the request's body; answers may take longer (long polls). */
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
  /** A streamed answer of which the client takes nothing for so long is cut. */
  readonly streamStallMs: number;
  /** How long requests under way may take to finish on close. */
  readonly closeGraceMs: number;
}

export const defaultHttpLimits: HttpLimits = {
  connectionsMax: 20_000,
  bodyBytesMax: 1024 * 1024,
  headerBytesMax: 16 * 1024,
  handshakeMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  keepAliveMs: 120_000,
  streamStallMs: 60_000,
  closeGraceMs: 3000,
};

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

export class HttpServer {
  readonly #server: Server;
  /** What listens: the server itself, or TLS in front of it. */
  readonly #front: SocketServer;
  readonly #handle: ApiHandler;
  readonly #limits: HttpLimits;
  readonly #closing: Closing = { reason: undefined, waiting: new Set() };

  /** @throws API_LISTEN */
  static async listen(options: HttpServerOptions): Promise<HttpServer> {
    const http = new HttpServer(options);
    const { listen } = options;
    const where = listen.kind === "tcp" ? `${listen.host}:${listen.port}` : listen.path;
    try {
      if (listen.kind === "unix") await rm(listen.path, { force: true });
      await new Promise<void>((resolve, reject) => {
        http.#front.once("error", reject);
        const done = () => resolve();
        if (listen.kind === "tcp") http.#front.listen({ host: listen.host, port: listen.port }, done);
        else http.#front.listen({ path: listen.path }, done);
      });
      if (listen.kind === "unix") await chmod(listen.path, 0o600);
    } catch (cause) {
      http.#front.close();
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

  private constructor(options: HttpServerOptions) {
    this.#handle = options.handle;
    this.#limits = { ...defaultHttpLimits, ...options.limits };
    this.#server = createServer(
      {
        maxHeaderSize: this.#limits.headerBytesMax,
        headersTimeout: this.#limits.headersTimeoutMs,
        requestTimeout: this.#limits.requestTimeoutMs,
        keepAliveTimeout: this.#limits.keepAliveMs,
        // Node looks every 30 s by default: who sends slowly would be borne with four times as long.
        connectionsCheckingInterval: Math.min(1000, this.#limits.headersTimeoutMs / 4),
        noDelay: true,
      },
      (message, response) => this.#serve(message, response),
    );
    const { handshakeMs, connectionsMax } = this.#limits;
    this.#front = options.tls
      ? createTlsFront({ ...options.tls, handshakeMs }, (socket) => this.#server.emit("connection", socket))
      : this.#server;
    this.#front.maxConnections = connectionsMax;
    // It counts and times its connections from then on, whoever listens for it.
    if (this.#front !== this.#server) this.#front.once("listening", () => this.#server.emit("listening"));
  }

  /** Port that was bound, for listeners on TCP with port 0. */
  get port(): number {
    const address = this.#front.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#front.close(() => resolve()));
    const reason = new FabricError("API_CLOSING", "the process is stopping; ask again, or another server");
    this.#closing.reason = reason;
    for (const left of [...this.#closing.waiting]) left(reason);
    this.#closing.waiting.clear();
    if (this.#front !== this.#server) this.#server.close(() => undefined);
    this.#server.closeIdleConnections();
    const late = setTimeout(() => this.#server.closeAllConnections(), this.#limits.closeGraceMs);
    await closed;
    clearTimeout(late);
  }

  /** No `async` here: each request that waits would keep its frame. */
  #serve(message: IncomingMessage, response: ServerResponse): void {
    const upload = isUpload({ method: message.method ?? "", target: message.url ?? "" });
    const body = upload ? noBody : readBody(message, this.#limits.bodyBytesMax);
    if (body instanceof Promise)
      body.then(
        (bytes) => this.#hand(message, response, bytes, upload),
        () => giveUp(response),
      );
    else this.#hand(message, response, body, upload);
  }

  #hand(
    message: IncomingMessage,
    response: ServerResponse,
    body: Uint8Array | undefined,
    upload: boolean,
  ): void {
    if (!body) {
      refuseBody(message, response, this.#limits.bodyBytesMax);
      return;
    }
    const request = new IncomingRequest(message, response, body, upload, this.#closing);
    this.#handle(request)
      .then((answer) => this.#answer(response, answer))
      .catch(() => giveUp(response));
  }

  #answer(response: ServerResponse, answer: ApiResponse): Promise<void> | undefined {
    const { body } = answer;
    if (isByteStream(body)) return writeStream(response, answer, body, this.#limits.streamStallMs);
    send(response, { ...answer, body }, this.#closing.reason !== undefined);
    return undefined;
  }
}

/** Of a body that is too large; the time that it may take is requestTimeoutMs, as for every body. */
const drainBytesMax = 16 * 1024 * 1024;

/** Undefined as soon as it is too large; rejects when the client leaves before its end. */
function readBody(
  message: IncomingMessage,
  bytesMax: number,
): Promise<Uint8Array | undefined> | Uint8Array | undefined {
  const { "content-length": length, "transfer-encoding": encoding } = message.headers;
  if (length === undefined && encoding === undefined) return noBody;
  if (Number(length) > bytesMax) return undefined;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    message.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else resolve(undefined);
    });
    message.once("end", () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    message.once("error", reject);
    message.once("close", () => reject(message.errored));
  });
}

/**
 * Answers 413 at once, but keeps reading (and dropping) for a while before the connection ends: a client that
 * is still sending would see a reset instead of the answer.
 */
function refuseBody(message: IncomingMessage, response: ServerResponse, bytesMax: number): void {
  const text = `Request body too large, max size: ${bytesMax} bytes.`;
  const headers = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": text.length,
    Connection: "close",
  };
  response.writeHead(413, headers).write(text);
  let dropped = 0;
  message.on("data", (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > drainBytesMax) response.end();
  });
  message.once("close", () => response.end());
  if (message.complete) response.end();
}

/** The client left, or the process is stopping: handlers answer everything else. */
function giveUp(response: ServerResponse): void {
  if (!response.headersSent && !response.destroyed)
    refuse(response, 503, "The request was given up: the process is stopping.");
}

function send(
  response: ServerResponse,
  answer: ApiResponse & { readonly body: string | Uint8Array },
  closing: boolean,
): void {
  const { status, headers, body } = answer;
  const bytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  const framing = status === 204 ? {} : { "Content-Length": bytes };
  response.writeHead(
    status,
    closing ? { ...headers, ...framing, Connection: "close" } : { ...headers, ...framing },
  );
  response.end(body);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", Connection: "close" });
  response.end(text);
}
