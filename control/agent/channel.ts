/**
 * An agent's way to one server: what a connection needs of it, and the real one, gRPC over an HTTP/2 session of its own. A
 * simulation hands in another, so that connecting, beating and failing over are tried under every order of events.
 *
 * There are two times to reach a server: its machine answers within a second or is not there, but itself may have ten
 * thousand agents to let in, and whoever gives up and comes again makes that longer. A refused connection is known at once.
 *
 * It is not grpc-js's channel: that one tells neither of the two from the other, waits its time out when it is refused,
 * and takes ten times as much for an attempt, which thousands of agents make together when a server is away.
 */
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import type { ChannelCredentials } from "@grpc/grpc-js";
import { FabricError, isFabricError } from "../../errors/index.ts";
import { controlService, type UnaryInput, type UnaryName, type UnaryOutput } from "../control-service.ts";
import type { ControlClientLimits } from "../limits.ts";
import type {
  AgentMessage,
  HttpRequestPart,
  HttpResponsePart,
  ServerMessage,
} from "../proto/gen/fabric_pb.ts";
import { channelName, isUnknownAuthority } from "../trust/index.ts";
import { GrpcStream, type Method } from "./grpc-stream.ts";

export type ControlStream = GrpcStream<AgentMessage, ServerMessage>;
export type HttpStream = GrpcStream<HttpRequestPart, HttpResponsePart>;

export interface CallOptions {
  /** As in `claim block of network "web"`. */
  readonly action: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Channel {
  /** Resolves when the server was reached. @throws CONTROL_UNAVAILABLE when it was not, at the latest after that time */
  reached(timeoutMs: number): Promise<void>;
  session(): ControlStream;
  /** @throws what the server answered with, CONTROL_UNAVAILABLE, CONTROL_TIMEOUT, the signal's reason */
  call<Name extends UnaryName>(
    name: Name,
    request: UnaryInput<Name>,
    options: CallOptions,
  ): Promise<UnaryOutput<Name>>;
  httpStream(): HttpStream;
  close(): void;
}

/** `credentials` are of this server. */
export type OpenChannel = (server: string, credentials: ChannelCredentials) => Channel;

type Limits = Pick<ControlClientLimits, "messageMaxBytes" | "connectTimeoutMs">;

export function grpcChannels(limits: Limits): OpenChannel {
  return (server, credentials) => new GrpcChannel(server, credentials, limits);
}

class GrpcChannel implements Channel {
  readonly #server: string;
  readonly #credentials: ChannelCredentials;
  readonly #limits: Limits;
  #socket: Socket | undefined;
  #session: ClientHttp2Session | undefined;
  #isClosed = false;

  constructor(server: string, credentials: ChannelCredentials, limits: Limits) {
    this.#server = server;
    this.#credentials = credentials;
    this.#limits = limits;
  }

  async reached(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.close(), timeoutMs);
    try {
      const tcp = await this.#connect();
      const path = this.#server;
      const connector = this.#credentials._createSecureConnector({ scheme: "dns", path }, channelName);
      const { socket } = await connector.connect(tcp);
      this.#socket = socket;
      this.#session = await settled(socket);
    } catch (error) {
      this.close();
      throw this.#gone(error);
    } finally {
      clearTimeout(timer);
    }
    if (this.#isClosed) throw this.#gone();
  }

  session(): ControlStream {
    return this.#open(controlService.session, "keep session");
  }

  call<Name extends UnaryName>(
    name: Name,
    request: UnaryInput<Name>,
    { action, timeoutMs, signal }: CallOptions,
  ): Promise<UnaryOutput<Name>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const method = controlService[name] as Method<UnaryInput<Name>, UnaryOutput<Name>>;
      const stream = this.#open(method, action, { "grpc-timeout": `${Math.ceil(timeoutMs)}m` });
      const onAbort = () => stream.cancel();
      const timer = setTimeout(() => stream.destroy(tooLate(action, this.#server)), timeoutMs);
      let reply: UnaryOutput<Name> | undefined;
      stream.on("data", (message: UnaryOutput<Name>) => {
        reply = message;
      });
      stream.on("end", () => reply && resolve(reply));
      stream.on("error", (error) => reject(signal?.aborted ? signal.reason : error));
      stream.on("close", () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        reject(this.#gone());
      });
      signal?.addEventListener("abort", onAbort, { once: true });
      stream.end(request);
    });
  }

  httpStream(): HttpStream {
    return this.#open(controlService.httpStream, "forward a request");
  }

  close(): void {
    this.#isClosed = true;
    this.#session?.destroy();
    this.#socket?.destroy();
  }

  #connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connectTcp({ ...placeOf(this.#server), noDelay: true });
      this.#socket = socket;
      const timer = setTimeout(() => socket.destroy(), this.#limits.connectTimeoutMs);
      socket.once("error", reject);
      socket.once("close", () => {
        clearTimeout(timer);
        reject(this.#gone());
      });
      socket.once("connect", () => {
        clearTimeout(timer);
        resolve(socket);
      });
    });
  }

  #open<Out, In>(
    method: Method<Out, In>,
    action: string,
    headers: Readonly<Record<string, string>> = {},
  ): GrpcStream<Out, In> {
    if (!this.#session || this.#session.destroyed || this.#session.closed) throw this.#gone();
    const http2 = this.#session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: method.path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const { messageMaxBytes } = this.#limits;
    return new GrpcStream({ http2, method, messageMaxBytes, action, server: this.#server });
  }

  #gone(cause?: unknown): FabricError {
    if (isFabricError(cause)) return cause;
    if (isUnknownAuthority(cause)) return ofUnknownAuthority(this.#server, cause);
    const why = cause instanceof Error ? cause.message : "it does not answer";
    return new FabricError(
      "CONTROL_UNAVAILABLE",
      `reach server ${this.#server}: ${why}; it is tried again by itself`,
      { cause, details: { server: this.#server } },
    );
  }
}

/** A session whose server has said how it wants to be spoken to: then it serves. */
function settled(socket: Socket): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2("http://heddle", {
      createConnection: () => socket,
      settings: { enablePush: false },
    });
    session.on("error", reject);
    session.once("close", () => reject(new Error("the connection ended")));
    session.once("remoteSettings", () => resolve(session));
  });
}

/** `unix:PATH`, or `HOST:PORT` with IPv6 in brackets. */
function placeOf(
  server: string,
): { readonly path: string } | { readonly host: string; readonly port: number } {
  if (server.startsWith("unix:")) return { path: server.slice("unix:".length) };
  const colon = server.lastIndexOf(":");
  return {
    host: server.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
    port: Number(server.slice(colon + 1)),
  };
}

function ofUnknownAuthority(server: string, cause: unknown): FabricError {
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `reach server ${server}: this node does not know the authority of its certificate; it is of another fabric, or its store of before a rotation or a reset: let the node in again by the token of \`heddle ca reset --force\` there`,
    { cause, details: { server } },
  );
}

function tooLate(action: string, server: string): FabricError {
  return new FabricError("CONTROL_TIMEOUT", `${action}: server ${server} did not answer in time; try again`, {
    details: { server },
  });
}
