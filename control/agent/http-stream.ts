/**
 * One request to the HTTP API with streams for bodies, on the connection of now. It ends when either side is
 * through, when the caller leaves (its signal, or it stops to iterate), or when the connection is lost.
 */
import { create } from "@bufbuild/protobuf";
import { FabricError, isFabricError } from "../../errors/index.ts";
import {
  type ByteStream,
  filterHeaders,
  requestHeaders,
  responseHeaders,
  type StreamedRequest,
  type StreamedResponse,
} from "../http-exchange.ts";
import { HttpRequestPartSchema, HttpRequestSchema, type HttpResponsePart } from "../proto/gen/fabric_pb.ts";
import type { HttpStream } from "./channel.ts";

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
  const failure = (error: unknown): unknown => {
    if (signal?.aborted) return signal.reason;
    return isFabricError(error) ? error : endedEarly(action, server, error);
  };
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
    throw failure(error);
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

function endedEarly(action: string, server: string, cause?: unknown): FabricError {
  return new FabricError(
    "CONTROL_UNAVAILABLE",
    `${action}: server ${server} ended without an answer; try again`,
    { cause, details: { server } },
  );
}
