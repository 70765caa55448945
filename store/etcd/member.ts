/** One member of the cluster: its connection, which grpc-js opens again by itself, and how it did lately. */
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  connectivityState,
  type Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import type { FabricError } from "../../errors/index.ts";
import { unavailable } from "./call-failure.ts";
import type { Call } from "./calls.ts";
import type { EtcdLimits } from "./limits.ts";

export class Member {
  readonly address: string;
  /** Its cluster and its leader were asked for since it last failed. */
  admitted = false;
  /** By the monotonic clock. */
  penaltyUntilMs = 0;
  readonly #client: Client;

  constructor(address: string, credentials: ChannelCredentials, limits: EtcdLimits) {
    this.address = address;
    this.#client = new Client(address, credentials, {
      "grpc.max_receive_message_length": limits.answerBytesMax,
      "grpc.max_send_message_length": -1,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.min_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 2000,
      // etcd answers more than one ping in 5 s by GOAWAY (grpc-keepalive-min-time).
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 3000,
      "grpc.use_local_subchannel_pool": 1,
      // No retry without our knowledge: a write may happen once only.
      "grpc.enable_retries": 0,
      "grpc.service_config_disable_resolution": 1,
    });
  }

  /** Resolves when connected: until then certainly nothing was sent. Rejects as soon as it is known to be unreachable. */
  async ready(timeoutMs: number): Promise<void> {
    const channel = this.#client.getChannel();
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return;
      // grpc-js goes on trying by itself; meanwhile another member may serve.
      if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN)
        throw unreachable(this.address);
      await new Promise<void>((resolve, reject) => {
        channel.watchConnectivityState(state, deadline, (error) =>
          error ? reject(unreachable(this.address)) : resolve(),
        );
      });
    }
  }

  /** Rejects with a ServiceError. */
  unary<Input, Output>(
    call: Call<Input, Output>,
    message: Input,
    metadata: Metadata,
    timeoutMs: number,
  ): Promise<Output> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        call.path,
        call.requestSerialize,
        call.responseDeserialize,
        message,
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, answer?: Output) => (error ? reject(error) : resolve(answer as Output)),
      );
    });
  }

  stream<Input, Output>(call: Call<Input, Output>, metadata: Metadata): ClientDuplexStream<Input, Output> {
    return this.#client.makeBidiStreamRequest(
      call.path,
      call.requestSerialize,
      call.responseDeserialize,
      metadata,
    );
  }

  close(): void {
    this.#client.close();
  }
}

function unreachable(address: string): FabricError {
  return unavailable(`reach etcd at ${address}`, "no connection could be made");
}
