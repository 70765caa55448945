/**
 * An operation of Heddle's own API: what it takes and what it answers, as schemas. The same schemas refuse what is
 * wrong and make the document (openapi.ts), so that the one says what the other does. What is not named is refused:
 * a parameter that is ignored would be a wrong answer.
 */
import * as z from "zod";
import { FabricError } from "../../errors/index.ts";
import type { ApiResponse } from "../request.ts";
import type { Call, Route, RouteHandler } from "../route.ts";

export interface Answer {
  readonly description: string;
  /** Of JSON. */
  readonly schema?: z.ZodType;
  /** Of anything else; without either there is no body. */
  readonly mediaType?: string;
  /** Of the data of each event in a stream of them, beside `revision`. */
  readonly events?: z.ZodType;
}

export type Method = "GET" | "PUT" | "POST" | "DELETE";

export interface Operation {
  /** Names the operation in clients that are made of the document. */
  readonly id: string;
  readonly method: Method;
  /** `{name}` can only stand last, and takes the rest of the path, slashes included. */
  readonly path: string;
  readonly summary: string;
  readonly needs: Needs;
  /** What the path's argument is; "" is refused unless it may be empty. */
  readonly argument?: { readonly description: string; readonly mayBeEmpty?: true };
  readonly query: z.ZodObject;
  /** JSON by a schema, or bytes. */
  readonly body?: z.ZodType | "bytes";
  /** By status; failures are one schema for all. */
  readonly answers: Readonly<Record<number, Answer>>;
  readonly handle: RouteHandler;
}

/**
 * What a token must allow: nothing (`open`); what the operation finds out by asking for what it is about (`guarded`);
 * or a right over the fabric, or over the process that answers.
 */
export type Needs = "open" | "guarded" | `${"operator" | "agent"}:${"read" | "write"}`;

interface Spec<Query extends z.ZodObject, Body extends z.ZodType | "bytes">
  extends Omit<Operation, "query" | "body" | "handle"> {
  readonly query?: Query;
  readonly body?: Body;
  readonly handle: (
    call: Call,
    input: {
      readonly query: z.output<Query>;
      readonly body: Body extends z.ZodType ? z.output<Body> : undefined;
    },
  ) => ApiResponse | Promise<ApiResponse>;
}

const nothing = z.strictObject({});

export function operation<
  Query extends z.ZodObject = typeof nothing,
  Body extends z.ZodType | "bytes" = "bytes",
>(spec: Spec<Query, Body>): Operation {
  const { query = nothing, body, handle, ...rest } = spec;
  const run = async (call: Call): Promise<ApiResponse> => {
    assertNeeds(call, spec.needs);
    if (spec.argument && !spec.argument.mayBeEmpty && call.rest === "")
      throw refused(call, `name ${spec.path.replace(/^.*\{(\w+)\}$/, "$1")} in the path`);
    const input = {
      query: parse(call, query, readQuery(call, query)),
      body: body instanceof z.ZodType ? parse(call, body, readJson(call)) : undefined,
    };
    return handle(call, input as Parameters<typeof handle>[1]);
  };
  return { ...rest, query, ...(body !== undefined && { body }), handle: run };
}

/** @throws REGISTRY_PERMISSION_DENIED */
function assertNeeds(call: Call, needs: Needs): void {
  switch (needs) {
    case "open":
    case "guarded":
      return;
    case "operator:read":
      call.rights().assert("operator", "", "read");
      return;
    case "operator:write":
      call.rights().assert("operator", "", "write");
      return;
    case "agent:read":
      call.rights().assert("agent", call.node, "read");
      return;
    case "agent:write":
      call.rights().assert("agent", call.node, "write");
      return;
    default:
      needs satisfies never;
  }
}

/** Operations of one path are one route. */
export function operationRoutes(operations: readonly Operation[]): readonly Route[] {
  const byPath = Map.groupBy(operations, ({ path }) => path);
  return [...byPath].map(([path, ofPath]) => {
    const methods: Partial<Record<string, RouteHandler>> = {};
    for (const { method, handle } of ofPath) methods[method] = handle;
    return { path: path.replace(/\{\w+\}$/, "*"), methods };
  });
}

/** How an answer is printed, and who asks. */
const everywhere = ["pretty", "token"];

function readQuery(call: Call, schema: z.ZodObject): Record<string, string | readonly string[]> {
  const found: Record<string, string | readonly string[]> = {};
  for (const name of call.query.names()) {
    if (everywhere.includes(name) && !(name in schema.shape)) continue;
    const field = schema.shape[name];
    found[name] = field && isList(field) ? call.query.all(name) : call.query.get(name);
  }
  return found;
}

/** A parameter that may be repeated, or be left out. */
function isList(field: z.core.$ZodType): boolean {
  if (field instanceof z.ZodArray) return true;
  return field instanceof z.ZodOptional || field instanceof z.ZodExactOptional
    ? isList(field.unwrap())
    : false;
}

function parse<T extends z.ZodType>(call: Call, schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refused(call, z.prettifyError(parsed.error));
}

function readJson(call: Call): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(call.request.body));
  } catch (error) {
    throw refused(call, error instanceof Error ? error.message : "not JSON");
  }
}

function refused({ request }: Call, why: string): FabricError {
  return new FabricError("API_BAD_REQUEST", `${request.method} ${request.target.slice(0, 200)}: ${why}`);
}
