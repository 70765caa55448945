/**
 * A request and a response without a transport: what an HTTP listener makes of a socket, and what an agent
 * forwards to its server over the control stream.
 */

export interface ApiRequest {
  /** Upper case. */
  readonly method: string;
  /** Path with query, as it came: still percent-encoded. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
  /** Address that it came from. */
  readonly remote?: string;
  /** Name of the node whose agent was asked. */
  readonly node?: string;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
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
