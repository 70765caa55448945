/**
 * Serves gRPC over connections that somebody else accepted and judged. It is not grpc-js's server: that one takes twice the
 * processor for a message, and keeps some hundred objects a session and the last message of each, which of ten thousand
 * agents is what V8 then marks for most of a second at a time (docs/decisions/021-grpc-server.md).
 *
 * Always holds: a path that nobody serves is answered so; a connection without a call for `idleMs` is closed.
 * Source: gRPC over HTTP/2.
 */
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import type { Clock, Deadlines, Due } from "../../../clock/index.ts";
import type { Caller, Certified } from "./caller.ts";
import { type ServedMethod, ServerStream } from "./server-stream.ts";

export interface GrpcServerOptions {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly messageMaxBytes: number;
  /** Calls of one connection at a time; more wait at the caller. */
  readonly callsPerConnectionMax: number;
  readonly idleMs: number;
}

type Serve = (http2: ServerHttp2Stream, caller: Caller) => void;

/** What a connection may hold that its calls have not taken is bounded by theirs and by `messageMaxBytes`. */
const sessionMemoryMiB = 1024;

export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #http2: Http2Server;
  readonly #methods = new Map<string, Serve>();
  readonly #connections = new Map<ServerHttp2Session, Connection>();
  /** The one that is being taken over. */
  #arriving: { readonly socket: Socket; readonly certified: Certified | undefined } | undefined;
  #closed: PromiseWithResolvers<void> | undefined;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#http2 = createServer({
      settings: { maxConcurrentStreams: options.callsPerConnectionMax },
      maxSessionMemory: sessionMemoryMiB,
    });
    this.#http2.on("session", (session) => this.#begin(session));
    this.#http2.on("stream", (stream, headers) => this.#route(stream, headers));
  }

  serve<In, Out>(method: ServedMethod<In, Out>, accept: (stream: ServerStream<In, Out>) => void): this {
    const { messageMaxBytes } = this.#options;
    this.#methods.set(method.path, (http2, caller) =>
      accept(new ServerStream({ http2, method, caller, messageMaxBytes })),
    );
    return this;
  }

  /** Takes the connection over. */
  connect(socket: Socket, certified?: Certified): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    this.#arriving = { socket, certified };
    this.#http2.emit("connection", socket);
    this.#arriving = undefined;
  }

  /** Lets calls end, for as long as that; then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.#closed ??= Promise.withResolvers();
    for (const { session } of this.#connections.values()) session.close();
    if (this.#connections.size === 0) this.#closed.resolve();
    const timer = this.#options.clock.setTimer(graceMs, () => {
      for (const { session } of this.#connections.values()) session.destroy();
    });
    await this.#closed.promise;
    timer.cancel();
  }

  #begin(session: ServerHttp2Session): void {
    const arriving = this.#arriving;
    if (!arriving) {
      session.destroy();
      return;
    }
    const connection = new Connection(session, arriving, this.#options);
    this.#connections.set(session, connection);
    session.on("error", ignored);
    session.once("close", () => {
      connection.closed();
      this.#connections.delete(session);
      if (this.#connections.size === 0) this.#closed?.resolve();
    });
  }

  #route(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const connection = stream.session && this.#connections.get(stream.session as ServerHttp2Session);
    if (!connection) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    connection.called();
    stream.once("close", () => connection.answered());
    const serve = this.#methods.get(String(headers[":path"]));
    const isGrpc = headers[":method"] === "POST" && headers["content-type"]?.startsWith("application/grpc");
    if (serve && isGrpc) {
      serve(stream, connection);
      return;
    }
    stream.on("error", ignored);
    const refusal = isGrpc
      ? { ":status": 200, "content-type": "application/grpc", "grpc-status": status.UNIMPLEMENTED }
      : { ":status": 415 };
    stream.respond(refusal, { endStream: true });
    stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

class Connection implements Caller, Due {
  readonly session: ServerHttp2Session;
  readonly address: string;
  readonly certified: Certified | undefined;
  readonly #deadlines: Deadlines;
  readonly #clock: Clock;
  readonly #idleMs: number;
  #calls = 0;
  #idleSinceMs: number;
  /** When it is looked whether it is idle; undefined while it is not looked at. */
  #look: number | undefined;

  constructor(
    session: ServerHttp2Session,
    { socket, certified }: { readonly socket: Socket; readonly certified: Certified | undefined },
    { clock, deadlines, idleMs }: GrpcServerOptions,
  ) {
    this.session = session;
    this.address = socket.remotePort === undefined ? "unix" : `${socket.remoteAddress}:${socket.remotePort}`;
    this.certified = certified;
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#idleMs = idleMs;
    this.#idleSinceMs = clock.monotonicMs();
    this.#look = deadlines.add(this, idleMs);
  }

  called(): void {
    this.#calls += 1;
  }

  answered(): void {
    this.#calls -= 1;
    if (this.#calls > 0) return;
    this.#idleSinceMs = this.#clock.monotonicMs();
    this.#look ??= this.#deadlines.add(this, this.#idleMs);
  }

  due(): void {
    this.#look = undefined;
    if (this.#calls > 0 || this.session.destroyed) return;
    const leftMs = this.#idleSinceMs + this.#idleMs - this.#clock.monotonicMs();
    if (leftMs > 0) this.#look = this.#deadlines.add(this, leftMs);
    else if (this.session.closed) this.session.destroy();
    else {
      this.session.close();
      // A peer that is not there any more does not take the last word.
      this.#look = this.#deadlines.add(this, this.#idleMs);
    }
  }

  closed(): void {
    if (this.#look !== undefined) this.#deadlines.remove(this, this.#look);
  }
}

/** `close` follows, and tells enough. */
function ignored(): void {}
