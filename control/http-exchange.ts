/**
 * One request to the HTTP API as it travels from the node where it was made to a server. Bodies are whole;
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

export const requestHeaders: readonly string[] = [
  "accept",
  "authorization",
  "cache-control",
  "content-type",
  "if-none-match",
  "x-forwarded-for",
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
