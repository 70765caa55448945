/** A promise as the handler of a gRPC call with one request: its value is the reply, its error travels whole. */
import { FabricError } from "../../../errors/index.ts";
import type { Caller } from "../grpc/caller.ts";
import type { ServerStream } from "../grpc/server-stream.ts";

export interface UnaryCall {
  readonly caller: Caller;
  /** Aborts when the caller gives up. */
  readonly signal: AbortSignal;
}

export type ServeUnary<Request, Reply> = (stream: ServerStream<Request, Reply>) => void;

export function unary<Request, Reply>(
  work: (request: Request, call: UnaryCall) => Promise<Reply>,
  onError: (error: unknown) => void,
): ServeUnary<Request, Reply> {
  return (stream) => {
    let request: Request | undefined;
    stream.read({
      message: (message) => {
        request = message;
      },
      ended: () => {
        if (request === undefined) {
          stream.fail(withoutRequest());
          return;
        }
        const { caller, signal } = stream;
        work(request, { caller, signal }).then(
          (reply) => {
            stream.write(reply);
            stream.end();
          },
          (error: unknown) => {
            if (!signal.aborted) onError(error);
            stream.fail(error);
          },
        );
      },
      gone: () => undefined,
    });
  };
}

function withoutRequest(): FabricError {
  return new FabricError(
    "CONTROL_PROTOCOL",
    "serve a call: it has no request; bring agent and server to the same release",
  );
}
