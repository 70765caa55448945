/**
 * `/v1/kv/<key>`: the key/value store with Consul's rules. A point read's index is the key's ModifyIndex, a
 * missing key is 404 with an empty body and the headers of a read.
 */

import { FabricError } from "../../errors/index.ts";
import type { KvEntry } from "../../registry/index.ts";
import type { ContentReads } from "../access/guarded-reads.ts";
import { blockingRead, type ReadContext } from "../blocking.ts";
import { kvListJson } from "../json/kv-json.ts";
import { badRequest, type Query } from "../query.ts";
import { assertDatacenter, refuseUnsupported } from "../read-mode.ts";
import { type ApiResponse, empty, jsonText } from "../request.ts";
import { argument, type Call, json, type Route } from "../route.ts";

/** Of one value; the registry's limit, told in Consul's words. */
const valueBytesMax = 512 * 1024;

export function kvRoutes(context: ReadContext): readonly Route[] {
  const methods: Route["methods"] = {
    GET: (call) => read(context, call),
    PUT: (call) => write(context, call),
    DELETE: (call) => remove(context, call),
  };
  // Without the slash it is the empty key.
  return ["/v1/kv/*", "/v1/kv"].map((path) => ({ path, methods }));
}

function read(context: ReadContext, call: Call): ApiResponse | Promise<ApiResponse> {
  const { query, rest: key } = call;
  if (query.has("recurse") || query.has("keys")) {
    return blockingRead(context, call, { kind: "kvPrefix", prefix: key }, (headers, reads) =>
      query.has("keys") ? listKeys(reads, call, headers) : list(reads.kvList(key), call, headers),
    );
  }
  argument(call, "Missing key name");
  return blockingRead(context, call, { kind: "kv", key }, (headers, reads) => {
    const entry = reads.kv(key);
    if (!entry) return empty(404, headers);
    return query.has("raw") ? raw(entry, headers) : list([entry], call, headers);
  });
}

function list(entries: readonly KvEntry[], call: Call, headers: Record<string, string>): ApiResponse {
  if (entries.length === 0) return empty(404, headers);
  const pretty = call.query.has("pretty");
  return jsonText(kvListJson(entries, pretty) + (pretty ? "\n" : ""), headers);
}

/** Of the whole store an empty list; of an empty prefix 404. */
function listKeys(reads: ContentReads, call: Call, headers: Record<string, string>): ApiResponse {
  const { query, rest: prefix } = call;
  const keys = reads.kvKeys(prefix, query.get("separator") || query.get("seperator"));
  return keys.length === 0 && prefix !== "" ? empty(404, headers) : json(call, keys, headers);
}

/** What a stranger stored must not run in a browser. */
function raw(entry: KvEntry, headers: Record<string, string>): ApiResponse {
  const guard = { "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox" };
  return { status: 200, headers: { "Content-Type": "text/plain", ...headers, ...guard }, body: entry.value };
}

async function write(context: ReadContext, call: Call): Promise<ApiResponse> {
  const { query, request } = call;
  const key = argument(call, "Missing key name");
  assertWrite(query, context.registry.datacenter, ["cas", "acquire", "release"]);
  const flags = query.uint("flags", "Invalid flags");
  const cas = casOf(query);
  if (request.body.length > valueBytesMax) {
    throw new FabricError(
      "REGISTRY_VALUE_TOO_LARGE",
      `Request body(${request.body.length} bytes) too large, max size: ${valueBytesMax} bytes.`,
    );
  }
  const options = {
    ...(flags !== undefined && { flags }),
    ...(cas !== undefined && { cas }),
    ...(query.has("acquire") && { acquire: query.get("acquire") }),
    ...(query.has("release") && { release: query.get("release") }),
  };
  const { succeeded } = await context.writes(call).kvPut(key, request.body, options);
  return json(call, succeeded);
}

async function remove(context: ReadContext, call: Call): Promise<ApiResponse> {
  const { query, rest } = call;
  assertWrite(query, context.registry.datacenter, ["recurse", "cas"]);
  if (query.has("recurse")) {
    const { succeeded } = await context.writes(call).kvDeleteTree(rest);
    return json(call, succeeded);
  }
  const cas = casOf(query);
  const key = argument(call, "Missing key name");
  const { succeeded } = await context.writes(call).kvDelete(key, cas === undefined ? {} : { cas });
  return json(call, succeeded);
}

function casOf(query: Query): number | undefined {
  const cas = query.uint("cas", "Invalid cas index");
  return cas === undefined ? undefined : Number(cas);
}

function assertWrite(query: Query, datacenter: string, exclusive: readonly string[]): void {
  if (query.text === "") return;
  if (exclusive.filter((name) => query.has(name)).length > 1)
    throw badRequest(`Conflicting flags: ${query.text}`);
  refuseUnsupported(query);
  assertDatacenter(query, datacenter);
}
