/**
 * Requests to the HTTP API with a stream as body or answer, made on another node. The caller's parts are read, and
 * ours are made, only as fast as the other end takes them; when the caller leaves, both end.
 */
import { create } from "@bufbuild/protobuf";
import { FabricError } from "../../../errors/index.ts";
import {
  type ByteStream,
  filterHeaders,
  type HttpStreamHandler,
  requestHeaders,
} from "../../http-exchange.ts";
import {
  type HttpRequest,
  type HttpRequestPart,
  type HttpResponsePart,
  HttpResponsePartSchema,
  HttpResponseSchema,
} from "../../proto/gen/fabric_pb.ts";
import type { ServerStream } from "../grpc/server-stream.ts";
import type { CallCount } from "./call-count.ts";

export type HttpStreamCall = ServerStream<HttpRequestPart, HttpResponsePart>;

export interface HttpStreamContext {
  readonly handle: HttpStreamHandler;
  readonly calls: CallCount;
  readonly log: (error: unknown) => void;
}

/** Never rejects: what fails is told to the caller. */
export async function serveHttpStream(context: HttpStreamContext, call: HttpStreamCall): Promise<void> {
  const { signal } = call;
  try {
    const parts = call.messages();
    const head = await readHead(parts);
    context.calls.enter(head.node);
    try {
      await answer(context.handle, call, head, parts, signal);
    } finally {
      context.calls.leave(head.node);
    }
  } catch (error) {
    if (signal.aborted) return;
    context.log(error);
    call.fail(error);
  }
}

async function answer(
  handle: HttpStreamHandler,
  call: HttpStreamCall,
  { node, method, target, headers }: HttpRequest,
  parts: AsyncIterator<HttpRequestPart>,
  signal: AbortSignal,
): Promise<void> {
  const request = { node, method, target, headers: filterHeaders(headers, requestHeaders) };
  const response = await handle({ ...request, body: dataOf(parts) }, signal);
  const head = create(HttpResponseSchema, { status: response.status, headers: [...response.headers] });
  await write(call, { case: "head", value: head });
  for await (const data of response.body) {
    if (signal.aborted) return;
    await write(call, { case: "data", value: data });
  }
  call.end();
}

async function readHead(parts: AsyncIterator<HttpRequestPart>): Promise<HttpRequest> {
  const { value } = await parts.next();
  const kind = (value as HttpRequestPart | undefined)?.kind;
  if (kind?.case === "head") return kind.value;
  throw new FabricError(
    "CONTROL_PROTOCOL",
    "serve a streamed request: it does not begin with its head; bring agent and server to the same release",
  );
}

async function* dataOf(parts: AsyncIterator<HttpRequestPart>): ByteStream {
  for (let part = await parts.next(); !part.done; part = await parts.next())
    if (part.value.kind.case === "data") yield part.value.kind.value;
}

/** Resolves when the transport has taken it, or nobody is there to take it. */
function write(call: HttpStreamCall, kind: HttpResponsePart["kind"]): Promise<void> {
  const { signal } = call;
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done);
    call.write(create(HttpResponsePartSchema, { kind }), done);
  });
}
