/** A promise as the handler of a gRPC call: its value is the reply, its error travels whole. */
import type { handleUnaryCall, ServerUnaryCall } from "@grpc/grpc-js";
import { toWireStatus } from "../../wire-error.ts";

export function unary<Request, Reply>(
  work: (request: Request, call: ServerUnaryCall<Request, Reply>) => Promise<Reply>,
  onError: (error: unknown) => void,
): handleUnaryCall<Request, Reply> {
  return (call, answer) => {
    work(call.request, call).then(
      (reply) => answer(null, reply),
      (error: unknown) => {
        if (!call.cancelled) onError(error);
        answer(toWireStatus(error));
      },
    );
  };
}
