/**
 * TCP listener (RFC 7766), and with a certificate one for DNS over TLS (RFC 7858): queries may be pipelined and are answered as they get ready. What a client can hold
 * is bounded: connections, queries under way on one connection (reading stops at the bound), bytes of replies
 * that it does not read, the size of a query, and the time in which a whole message must arrive, so that
 * sending a byte now and then keeps no connection.
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { familyOf, type Ip, parseZonedIp } from "../../addr/index.ts";
import type { Clock, Timer } from "../../clock/index.ts";
import type { Certificate } from "./certificate.ts";
import { FrameReader, frame } from "./frames.ts";
import { listenFailed } from "./listen-failed.ts";
import type { Endpoint } from "./udp.ts";

export interface TcpHandlers {
  readonly handle: (query: Uint8Array, client: Ip) => Promise<Uint8Array | undefined>;
  readonly onDropped: () => void;
}

export interface TcpLimits {
  readonly connectionsMax: number;
  /** So that one client cannot take all connections. */
  readonly connectionsPerClientMax: number;
  readonly inflightPerConnectionMax: number;
  /** Between the end of one message and the end of the next. */
  readonly idleTimeoutMs: number;
  readonly queryBytesMax: number;
  readonly unreadReplyBytesMax: number;
}

export class TcpListener {
  readonly #handlers: TcpHandlers;
  readonly #limits: TcpLimits;
  readonly #clock: Clock;
  readonly #connections = new Set<Connection>();
  readonly #connectionsOf = new Map<Ip, number>();
  readonly #certificate: Certificate | undefined;
  /** Connections that still negotiate TLS. */
  readonly #negotiating = new Map<string, Socket>();
  #server: Server | undefined;

  constructor(handlers: TcpHandlers, limits: TcpLimits, clock: Clock, certificate?: Certificate) {
    this.#certificate = certificate;
    this.#handlers = handlers;
    this.#limits = limits;
    this.#clock = clock;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Answers where it listens. @throws DNS_LISTEN_FAILED, DNS_TLS_FAILED */
  async start(endpoint: Endpoint): Promise<Endpoint> {
    const server = this.#certificate ? this.#tlsServer(this.#certificate) : this.#tcpServer();
    server.maxConnections = this.#limits.connectionsMax;
    server.on("drop", () => this.#handlers.onDropped());
    try {
      const listening = once(server, "listening");
      const ipv6Only = familyOf(endpoint.address) === 6;
      server.listen({ host: endpoint.address, port: endpoint.port, ipv6Only });
      await listening;
    } catch (error) {
      this.#certificate?.stop();
      throw listenFailed("TCP", endpoint, error);
    }
    server.on("error", () => this.#handlers.onDropped());
    this.#server = server;
    const bound = server.address();
    return {
      address: endpoint.address,
      port: typeof bound === "object" && bound ? bound.port : endpoint.port,
    };
  }

  /** Takes no more connections or queries, sends what is under way, then closes. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    this.#certificate?.stop();
    const closed = once(server, "close");
    server.close();
    for (const connection of this.#connections) connection.finish();
    for (const socket of this.#negotiating.values()) socket.destroy();
    await closed;
  }

  #tcpServer(): Server {
    return createServer({ allowHalfOpen: true }, (socket) => {
      const client = this.#admit(socket);
      if (client !== undefined) this.#serve(socket, client);
    });
  }

  #tlsServer(certificate: Certificate): Server {
    const terms = {
      allowHalfOpen: true,
      ALPNProtocols: ["dot"],
      handshakeTimeout: this.#limits.idleTimeoutMs,
    };
    const server = createTlsServer({
      ...certificate.start((pair) => server.setSecureContext(pair)),
      ...terms,
    });
    server.on("connection", (socket: Socket) => {
      if (this.#admit(socket) === undefined) return;
      const peer = peerOf(socket);
      this.#negotiating.set(peer, socket);
      socket.once("close", () => void this.#negotiating.delete(peer));
    });
    server.on("secureConnection", (socket) => {
      this.#negotiating.delete(peerOf(socket));
      if (socket.remoteAddress === undefined) socket.destroy();
      else this.#serve(socket, parseZonedIp(socket.remoteAddress).ip);
    });
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    return server;
  }

  /** Whose connection it is; undefined, and closed, if that client has too many. */
  #admit(socket: Socket): Ip | undefined {
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      return undefined;
    }
    const client = parseZonedIp(socket.remoteAddress).ip;
    const held = this.#connectionsOf.get(client) ?? 0;
    if (held >= this.#limits.connectionsPerClientMax) {
      this.#handlers.onDropped();
      socket.destroy();
      return undefined;
    }
    this.#connectionsOf.set(client, held + 1);
    socket.once("close", () => {
      const left = (this.#connectionsOf.get(client) ?? 1) - 1;
      if (left > 0) this.#connectionsOf.set(client, left);
      else this.#connectionsOf.delete(client);
    });
    return client;
  }

  #serve(socket: Socket, client: Ip): void {
    const connection = new Connection(socket, this.#limits, this.#clock, {
      handle: (query) => this.#handlers.handle(query, client),
      onDropped: this.#handlers.onDropped,
    });
    this.#connections.add(connection);
    socket.once("close", () => void this.#connections.delete(connection));
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

interface ConnectionHandlers {
  readonly handle: (query: Uint8Array) => Promise<Uint8Array | undefined>;
  readonly onDropped: () => void;
}

class Connection {
  readonly #socket: Socket;
  readonly #limits: TcpLimits;
  readonly #clock: Clock;
  readonly #handlers: ConnectionHandlers;
  readonly #frames: FrameReader;
  #waiting: Buffer[] = [];
  #inflight = 0;
  #finishing = false;
  #deadline: Timer;

  constructor(socket: Socket, limits: TcpLimits, clock: Clock, handlers: ConnectionHandlers) {
    this.#socket = socket;
    this.#limits = limits;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#frames = new FrameReader(limits.queryBytesMax);
    this.#deadline = this.#startDeadline();
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#deadline.cancel());
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("end", () => this.#finish());
  }

  /** Reads no more, answers what was read, then closes. */
  finish(): void {
    this.#socket.pause();
    this.#finish();
  }

  #finish(): void {
    this.#finishing = true;
    this.#deadline.cancel();
    this.#deadline = this.#startDeadline();
    this.#pump();
  }

  #read(chunk: Buffer): void {
    const queries = this.#frames.push(chunk);
    if (!queries) {
      this.#drop();
      return;
    }
    if (queries.length > 0) {
      this.#deadline.cancel();
      this.#deadline = this.#startDeadline();
    }
    this.#waiting.push(...queries);
    this.#pump();
  }

  /** One chunk of the stream is what waits at most, as reading stops while anything waits. */
  #pump(): void {
    while (this.#inflight < this.#limits.inflightPerConnectionMax) {
      const query = this.#waiting.shift();
      if (!query) break;
      this.#inflight++;
      void this.#answer(query);
    }
    if (this.#finishing && this.#inflight === 0) this.#socket.end();
    else if (this.#waiting.length > 0) this.#socket.pause();
    else if (!this.#finishing) this.#socket.resume();
  }

  async #answer(query: Buffer): Promise<void> {
    const reply = await this.#handlers.handle(query);
    this.#inflight--;
    if (this.#socket.destroyed) return;
    if (reply) this.#socket.write(frame(reply));
    if (this.#socket.writableLength > this.#limits.unreadReplyBytesMax) this.#drop();
    else this.#pump();
  }

  #startDeadline(): Timer {
    return this.#clock.setTimer(this.#limits.idleTimeoutMs, () => this.#socket.destroy());
  }

  #drop(): void {
    this.#handlers.onDropped();
    this.#socket.destroy();
  }
}
