/**
 * An agent's way to one server: what a connection needs of it, and the real one over gRPC. A simulation hands in
 * another, so that connecting, beating and failing over are tried under every order of events.
 */
import { type ChannelCredentials, Client, type ClientDuplexStream } from "@grpc/grpc-js";
import { controlService, type UnaryInput, type UnaryName, type UnaryOutput } from "../control-service.ts";
import type { ControlClientLimits } from "../limits.ts";
import type { AgentMessage, ServerMessage } from "../proto/gen/fabric_pb.ts";
import { channelName } from "../trust/index.ts";
import { fromServiceError } from "../wire-error.ts";
import { endingWithChannel } from "./ending-credentials.ts";
import { type HttpStream, openHttpStream } from "./http-stream.ts";

export type ControlStream = ClientDuplexStream<AgentMessage, ServerMessage>;

export interface CallOptions {
  /** As in `claim block of network "web"`. */
  readonly action: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Channel {
  /** Resolves when the server was reached, rejects when it was not within the time. */
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

export function grpcChannels({ messageMaxBytes }: Pick<ControlClientLimits, "messageMaxBytes">): OpenChannel {
  return (server, credentials) =>
    new GrpcChannel(
      server,
      new Client(server, endingWithChannel(credentials), {
        ...channelName,
        "grpc.max_receive_message_length": messageMaxBytes,
        "grpc.max_send_message_length": messageMaxBytes,
        // Otherwise an attempt would inherit the back-off of an earlier one.
        "grpc.use_local_subchannel_pool": 1,
        "grpc.enable_retries": 0,
        // Statistics that nobody reads.
        "grpc.enable_channelz": 0,
      }),
    );
}

class GrpcChannel implements Channel {
  readonly #server: string;
  readonly #client: Client;

  constructor(server: string, client: Client) {
    this.#server = server;
    this.#client = client;
  }

  reached(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => (error ? reject(error) : resolve()));
    });
  }

  session(): ControlStream {
    const { path, requestSerialize, responseDeserialize } = controlService.session;
    return this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize as (bytes: Buffer) => ServerMessage,
    );
  }

  call<Name extends UnaryName>(
    name: Name,
    request: UnaryInput<Name>,
    { action, timeoutMs, signal }: CallOptions,
  ): Promise<UnaryOutput<Name>> {
    const { path, requestSerialize, responseDeserialize } = controlService[name];
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize as (value: UnaryInput<Name>) => Buffer,
        responseDeserialize as (bytes: Buffer) => UnaryOutput<Name>,
        request,
        { deadline: new Date(Date.now() + timeoutMs) },
        (error, reply) => {
          signal?.removeEventListener("abort", onAbort);
          if (signal?.aborted) reject(signal.reason);
          else if (error) reject(fromServiceError(error, action, this.#server));
          else if (reply) resolve(reply);
        },
      );
      const onAbort = () => call.cancel();
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  httpStream(): HttpStream {
    return openHttpStream(this.#client);
  }

  close(): void {
    this.#client.close();
  }
}
