/**
 * One request to the HTTP API with streams for bodies, on the connection of now. It ends when either side is
 * through, when the caller leaves (its signal, or it stops to iterate), or when the connection is lost.
 */
import { create } from "@bufbuild/protobuf";
import type { Client, ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { FabricError } from "../../errors/index.ts";
import { controlService } from "../control-service.ts";
import {
  type ByteStream,
  filterHeaders,
  requestHeaders,
  responseHeaders,
  type StreamedRequest,
  type StreamedResponse,
} from "../http-exchange.ts";
import {
  type HttpRequestPart,
  HttpRequestPartSchema,
  HttpRequestSchema,
  type HttpResponsePart,
} from "../proto/gen/fabric_pb.ts";
import { fromServiceError } from "../wire-error.ts";

export type HttpStream = ClientDuplexStream<HttpRequestPart, HttpResponsePart>;

export function openHttpStream(client: Client): HttpStream {
  const { path, requestSerialize, responseDeserialize } = controlService.httpStream;
  return client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize as (bytes: Buffer) => HttpResponsePart,
  );
}

/** @throws what the server answered with, CONTROL_UNAVAILABLE, the signal's reason */
export async function exchangeStreams(
  stream: HttpStream,
  request: StreamedRequest,
  server: string,
  signal: AbortSignal | undefined,
): Promise<StreamedResponse> {
  const action = `forward ${request.method} ${request.target.slice(0, 200)}`;
  const onAbort = () => stream.cancel();
  signal?.addEventListener("abort", onAbort, { once: true });
  stream.once("close", () => signal?.removeEventListener("abort", onAbort));
  const failure = (error: unknown): unknown =>
    signal?.aborted ? signal.reason : fromServiceError(error as ServiceError, action, server);
  try {
    signal?.throwIfAborted();
    const parts = stream[Symbol.asyncIterator]();
    const { node, method, target } = request;
    const headers = filterHeaders(request.headers, requestHeaders);
    const head = create(HttpRequestSchema, { node, method, target, headers });
    stream.write(create(HttpRequestPartSchema, { kind: { case: "head", value: head } }));
    const first = parts.next();
    // What stops the upload stops the answer, which tells why.
    send(stream, request.body).catch(() => stream.cancel());
    const { value } = await first;
    const kind = (value as HttpResponsePart | undefined)?.kind;
    if (kind?.case !== "head") throw endedEarly(action, server);
    const { status, headers: answered } = kind.value;
    return {
      status,
      headers: filterHeaders(answered, responseHeaders),
      body: dataOf(stream, parts, failure),
    };
  } catch (error) {
    stream.cancel();
    throw error instanceof FabricError ? error : failure(error);
  }
}

async function* dataOf(
  stream: HttpStream,
  parts: AsyncIterator<HttpResponsePart>,
  failure: (error: unknown) => unknown,
): ByteStream {
  try {
    for (let part = await parts.next(); !part.done; part = await parts.next())
      if (part.value.kind.case === "data") yield part.value.kind.value;
  } catch (error) {
    throw failure(error);
  } finally {
    stream.cancel();
  }
}

async function send(stream: HttpStream, body: ByteStream): Promise<void> {
  for await (const data of body) {
    if (stream.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        stream.off("close", done);
        resolve();
      };
      stream.once("close", done);
      stream.write(create(HttpRequestPartSchema, { kind: { case: "data", value: data } }), done);
    });
  }
  stream.end();
}

function endedEarly(action: string, server: string): FabricError {
  return new FabricError(
    "CONTROL_UNAVAILABLE",
    `${action}: server ${server} ended without an answer; try again`,
    { details: { server } },
  );
}
