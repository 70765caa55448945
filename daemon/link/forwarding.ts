/** Requests to the HTTP API between an agent and its server: the API's shapes in the control protocol's. */
import {
  type ApiHandler,
  type ApiRequest,
  type ApiResponse,
  clientAddressHeader,
  isByteStream,
  isStreamed,
  secretOfRequest,
} from "../../api/index.ts";
import {
  type ByteStream,
  type ControlClient,
  type ForwardedResponse,
  type HttpHandler,
  type HttpHeaderField,
  type HttpStreamHandler,
  partsOf,
  type StreamedResponse,
} from "../../control/index.ts";
import { FabricError } from "../../errors/index.ts";

/** On an agent: what it does not answer itself goes to a server, with the address of who asked. */
export function forwardTo(client: ControlClient, ownToken = ""): ApiHandler {
  return async (request) => {
    const { method, target, body, upload, signal } = request;
    const headers = fieldsOf(request, ownToken);
    if (isStreamed(request)) {
      const parts = upload ?? inParts(body);
      return responseOf(await client.httpStream({ method, target, headers, body: parts }, signal));
    }
    return responseOf(await client.http({ method, target, headers, body }, signal ? { signal } : {}));
  };
}

/** On a server: what agents forward is answered by its own API. */
export function serveForwarded(api: ApiHandler): HttpHandler {
  return async ({ node, method, target, headers, body }, signal) => {
    const response = await api({ method, target, headers: asRecord(headers), body, signal, node });
    if (!isByteStream(response.body)) return { ...headOf(response), body: bytesOf(response.body) };
    await response.body[Symbol.asyncIterator]().return?.();
    throw new FabricError(
      "CONTROL_PROTOCOL",
      `forward ${method} ${target.slice(0, 200)}: its answer is a stream; bring agent and server to the same release`,
    );
  };
}

export function serveForwardedStreams(api: ApiHandler): HttpStreamHandler {
  return async ({ node, method, target, headers, body: upload }, signal) => {
    const body = new Uint8Array(0);
    const request = { method, target, headers: asRecord(headers), body, upload, signal, node };
    const response = await api(request);
    const parts = isByteStream(response.body) ? response.body : inParts(bytesOf(response.body));
    return { ...headOf(response), body: parts };
  };
}

/** Who sends no token asks with the agent's own. */
function fieldsOf(request: ApiRequest, ownToken: string): HttpHeaderField[] {
  const { headers, remote } = request;
  const asker = headers[clientAddressHeader] ?? remote;
  const named = asker === undefined ? headers : { ...headers, [clientAddressHeader]: asker };
  const own = ownToken === "" || secretOfRequest(request) !== "" ? {} : { "x-consul-token": ownToken };
  return Object.entries({ ...named, ...own }).flatMap(([name, value]): HttpHeaderField[] => {
    const values = typeof value === "string" ? [value] : (value ?? []);
    return values.map((each) => ({ name, value: each }));
  });
}

function responseOf({ status, headers, body }: ForwardedResponse | StreamedResponse): ApiResponse {
  return { status, headers: asRecord(headers), body };
}

function headOf({ status, headers }: ApiResponse) {
  return { status, headers: Object.entries(headers).map(([name, value]) => ({ name, value })) };
}

function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === "string" ? Buffer.from(body) : body;
}

async function* inParts(body: Uint8Array): ByteStream {
  yield* partsOf(body);
}

function asRecord(fields: readonly HttpHeaderField[]): Record<string, string> {
  return Object.fromEntries(fields.map(({ name, value }) => [name, value]));
}
