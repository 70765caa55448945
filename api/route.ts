/** What a route is handed, and how its answer is printed. */
import { FabricError } from "../errors/index.ts";
import type { Rights } from "../registry/index.ts";
import type { Query } from "./query.ts";
import { type ApiRequest, type ApiResponse, jsonText } from "./request.ts";

export interface Call {
  readonly request: ApiRequest;
  readonly query: Query;
  /** Rest of the path behind the route's own, decoded; "" when it has none. */
  readonly rest: string;
  /** Of the token that the request came with, as they are now. @throws REGISTRY_TOKEN_UNKNOWN */
  rights(): Rights;
  /** Name of the node of this process. */
  readonly node: string;
}

export type RouteHandler = (call: Call) => ApiResponse | Promise<ApiResponse>;

export interface Route {
  /** Ends with `*` when the rest of the path is an argument, slashes included. */
  readonly path: string;
  readonly methods: Readonly<Partial<Record<string, RouteHandler>>>;
}

/** As Go indents with `?pretty`. */
export function json(
  call: Call,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): ApiResponse {
  const text = call.query.has("pretty") ? `${JSON.stringify(value, undefined, 4)}\n` : JSON.stringify(value);
  return jsonText(text, headers, status);
}

/** The path's argument. @throws API_BAD_REQUEST with `message` when there is none */
export function argument(call: Call, message: string): string {
  if (call.rest === "") throw new FabricError("API_BAD_REQUEST", message);
  return call.rest;
}
