/**
 * One request to the HTTP API as it travels from the node where it was made to a server. Bodies are whole, or
 * streams where the API says so (watches, snapshots): pulled part by part, as fast as the other side takes them;
 * headers are those that mean something to the API, by list, so that neither side can make the other forward
 * what it should not.
 */
export interface HttpHeaderField {
  readonly name: string;
  readonly value: string;
}

export interface ForwardedRequest {
  /** The node where it was made. */
  readonly node: string;
  readonly method: string;
  /** Path with query. */
  readonly target: string;
  readonly headers: readonly HttpHeaderField[];
  readonly body: Uint8Array;
}

export interface ForwardedResponse {
  readonly status: number;
  readonly headers: readonly HttpHeaderField[];
  readonly body: Uint8Array;
}

/** The signal aborts when the caller has gone. */
export type HttpHandler = (request: ForwardedRequest, signal: AbortSignal) => Promise<ForwardedResponse>;

/** Whoever stops to iterate ends its maker. */
export type ByteStream = AsyncIterable<Uint8Array>;

export interface StreamedRequest extends Omit<ForwardedRequest, "body"> {
  readonly body: ByteStream;
}

export interface StreamedResponse extends Omit<ForwardedResponse, "body"> {
  readonly body: ByteStream;
}

/** As HttpHandler, for bodies of any length. */
export type HttpStreamHandler = (request: StreamedRequest, signal: AbortSignal) => Promise<StreamedResponse>;

/** Of a body in one message; longer ones are cut. */
export const streamPartBytes = 64 * 1024;

export function* partsOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += streamPartBytes) yield bytes.subarray(at, at + streamPartBytes);
}

export const requestHeaders: readonly string[] = [
  "accept",
  "authorization",
  "cache-control",
  "content-type",
  "if-none-match",
  "x-forwarded-for",
  "last-event-id",
  "x-consul-",
  "x-heddle-",
];

export const responseHeaders: readonly string[] = [
  "age",
  "allow",
  "cache-control",
  "content-type",
  "etag",
  "location",
  "retry-after",
  "vary",
  "x-cache",
  "x-consul-",
  "x-heddle-",
];

/** The fields whose name is listed, or begins with a listed one that ends in `-`. */
export function filterHeaders(
  fields: readonly HttpHeaderField[],
  allowed: readonly string[],
): HttpHeaderField[] {
  return fields
    .filter(({ name }) => {
      const lower = name.toLowerCase();
      return allowed.some((each) => (each.endsWith("-") ? lower.startsWith(each) : lower === each));
    })
    .map(({ name, value }) => ({ name: name.toLowerCase(), value }));
}
