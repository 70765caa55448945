/** Everything that an agent may call beside its session, put on a gRPC server. */
import { controlService, type UnaryInput, type UnaryName, type UnaryOutput } from "../../control-service.ts";
import type { HttpStreamHandler } from "../../http-exchange.ts";
import type { GrpcServer } from "../grpc/grpc-server.ts";
import type { ServedMethod } from "../grpc/server-stream.ts";
import { serveHttpStream } from "./http-stream.ts";
import { unary } from "./unary.ts";
import { type UnaryContext, unaryCalls } from "./unary-calls.ts";

export interface CallsContext extends UnaryContext {
  readonly httpStream: HttpStreamHandler;
  /** A call failed for another reason than its caller's leaving. */
  readonly log: (method: UnaryName | "httpStream", error: unknown) => void;
}

export function serveCalls(grpc: GrpcServer, context: CallsContext): void {
  const { calls, httpStream: handle, log } = context;
  const works = unaryCalls(context);
  const serve = <Name extends UnaryName>(name: Name) => {
    const method = controlService[name] as ServedMethod<UnaryInput<Name>, UnaryOutput<Name>>;
    const answer = unary(
      (request: UnaryInput<Name>, { signal }) => works[name](request, signal),
      (error) => log(name, error),
    );
    grpc.serve(method, answer);
  };
  for (const name of Object.keys(works)) serve(name as UnaryName);
  const streams = { handle, calls, log: (error: unknown) => log("httpStream", error) };
  grpc.serve(controlService.httpStream, (call) => void serveHttpStream(streams, call));
}
