/** `/v1/query…`: prepared queries, which name a question about a service so that it can be changed in one place. */
import { queryTopic, runQuery } from "../../registry/index.ts";
import { isNamed } from "../access/guarded-reads.ts";
import { blockingRead, marked, type ReadContext, readHeaders } from "../blocking.ts";
import { BodyFields } from "../body/body-fields.ts";
import { instanceJson } from "../json/consul-json.ts";
import { queryJson, readQuery } from "../json/query-json.ts";
import { sourceOf } from "../near.ts";
import { readMode, refuseUnsupported } from "../read-mode.ts";
import { type ApiResponse, empty, plainText } from "../request.ts";
import { type Call, json, type Route } from "../route.ts";

export function queryRoutes(context: ReadContext): readonly Route[] {
  const { registry, random } = context;

  const create = async (call: Call) => {
    refuseUnsupported(call.query);
    return json(call, {
      ID: await context.writes(call).createQuery(readQuery(BodyFields.parse(call.request.body))),
    });
  };

  const list = (call: Call) =>
    blockingRead(context, call, { kind: "queries" }, (headers, reads) =>
      json(call, reads.queries().map(queryJson), headers),
    );

  const read = (call: Call) => {
    const verb = /^(.*)\/(execute|explain)$/.exec(call.rest);
    if (verb?.[2] === "execute") return execute(call, verb[1] ?? "");
    if (verb) return explain(call, verb[1] ?? "");
    return blockingRead(context, call, { kind: "queries" }, (headers, reads) => {
      const found = reads.query(call.rest);
      return found ? json(call, [queryJson(found)], headers) : plainText(404, "Query not found", headers);
    });
  };

  const update = async (call: Call) => {
    refuseUnsupported(call.query);
    await context.writes(call).updateQuery(call.rest, readQuery(BodyFields.parse(call.request.body)));
    return empty();
  };

  const remove = async (call: Call) => {
    refuseUnsupported(call.query);
    await context.writes(call).deleteQuery(call.rest);
    return empty();
  };

  const execute = async (call: Call, nameOrId: string): Promise<ApiResponse> => {
    const mode = readMode(call.query, registry.datacenter);
    const limit = Number(call.query.uint("limit", "Invalid limit") ?? 0n);
    const connect = call.query.flag("connect", "Invalid value for ?connect");
    if (mode === "consistent") await registry.barrier(call.request.signal);
    const reads = context.reads(call);
    const resolved = reads.resolveQuery(nameOrId);
    if (!resolved) return plainText(404, "Query not found");
    const query = connect ? { ...resolved, connect } : resolved;
    const near = call.query.get("near");
    const { instances, failovers } = runQuery(reads, query, {
      near,
      source: sourceOf(context, call),
      random,
    });
    const headers = readHeaders(context, registry.indexOf(queryTopic(query)), mode);
    const answer = {
      Service: query.service,
      Nodes: instances.slice(0, limit || instances.length).map(instanceJson),
      DNS: queryJson(query).DNS,
      Datacenter: registry.datacenter,
      Failovers: failovers,
    };
    return marked(json(call, answer, headers), reads);
  };

  const explain = (call: Call, nameOrId: string) => {
    readMode(call.query, registry.datacenter);
    const query = context.reads(call).resolveQuery(nameOrId);
    if (query && isNamed(query)) call.rights().assert("query", query.name, "read");
    return query ? json(call, { Query: queryJson(query) }) : plainText(404, "Query not found");
  };

  return [
    { path: "/v1/query", methods: { GET: list, POST: create } },
    { path: "/v1/query/*", methods: { GET: read, PUT: update, DELETE: remove } },
  ];
}
