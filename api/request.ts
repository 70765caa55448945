/**
 * A request and a response without a transport: what an HTTP listener makes of a socket, and what an agent
 * forwards to its server over the control stream.
 */

/** Parts of a body, made as fast as they are taken. Whoever stops to iterate ends its maker. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** Wants to know when nobody waits for the answer any more. Told at most once, and not after the answer. */
export interface Leaver {
  left(reason: unknown): void;
}

/** Asks a request anew that was let go of while it waited. */
export interface Resumer {
  resume(waited: Waited): void;
}

export interface Waited {
  /** Why the wait ended, unless what it waited for came or its time was over. */
  readonly failure?: unknown;
}

export interface ApiRequest {
  /** Upper case. */
  readonly method: string;
  /** Path with query, as it came: still percent-encoded. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
  /** In place of `body`, which is then empty, where `isUpload` says so. Read it to its end, or answer without it. */
  readonly upload?: ByteStream;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
  /**
   * For requests without a body that wait long: nothing of them is kept but their text. They are handled anew, with
   * `waited`, when what this answers is told to resume; the promise of the first answer never settles.
   */
  park?(leaver: Leaver): Resumer;
  /** The request was parked before, and is to be answered now. */
  readonly waited?: Waited;
  /** Address that it came from. */
  readonly remote?: string;
  /** Name of the node whose agent was asked. */
  readonly node?: string;
}

/** The same request with another target or body: of a listener's own, whose parts are made when they are asked for. */
export function changed(
  request: ApiRequest,
  change: Partial<Pick<ApiRequest, "target" | "body">>,
): ApiRequest {
  const { method, target, headers, body, signal, remote, node } = request;
  return {
    method,
    target,
    headers,
    body,
    ...(signal && { signal }),
    ...(remote !== undefined && { remote }),
    ...(node !== undefined && { node }),
    ...change,
  };
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream only where `isStreamed` says so. */
  readonly body: string | Uint8Array | ByteStream;
}

/** Requests whose body has no bound but what its handler sets. */
export function isUpload({ method, target }: Pick<ApiRequest, "method" | "target">): boolean {
  return method === "PUT" && pathOf(target) === "/v1/snapshot";
}

/** Requests whose body or answer may be a stream; an agent forwards them as such. */
export function isStreamed(request: Pick<ApiRequest, "method" | "target">): boolean {
  if (isUpload(request)) return true;
  const path = pathOf(request.target);
  const whole = ["/v1/snapshot", "/v1/heddle/backup"];
  return request.method === "GET" && (whole.includes(path) || path.startsWith("/v1/heddle/watch/"));
}

export function isByteStream(body: ApiResponse["body"]): body is ByteStream {
  return typeof body !== "string" && !(body instanceof Uint8Array);
}

function pathOf(target: string): string {
  const mark = target.indexOf("?");
  return mark < 0 ? target : target.slice(0, mark);
}

export type ApiHandler = (request: ApiRequest) => Promise<ApiResponse>;

const jsonHeaders = { "Content-Type": "application/json" };
const textHeaders = { "Content-Type": "text/plain; charset=utf-8" };

/** `json` is text already. */
export function jsonText(
  json: string,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): ApiResponse {
  return { status, headers: { ...jsonHeaders, ...headers }, body: json };
}

/** Consul's errors are plain text, without a newline. */
export function plainText(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): ApiResponse {
  return { status, headers: { ...textHeaders, ...headers }, body };
}

export function empty(status = 200, headers: Readonly<Record<string, string>> = {}): ApiResponse {
  return { status, headers, body: "" };
}
