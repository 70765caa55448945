/**
 * `/v1/query…`: prepared queries, which name a question about a service so that it can be changed in one place.
 * There is one datacenter: failover finds no other, and `Near` does not sort, as there are no coordinates.
 */
import type { QueryEntry, RegistryWrites, ServiceInstance } from "../../registry/index.ts";
import { blockingRead, type ReadContext, readHeaders } from "../blocking.ts";
import { BodyFields } from "../body/body-fields.ts";
import { instanceJson } from "../json/consul-json.ts";
import { queryJson, readQuery } from "../json/query-json.ts";
import { readMode, refuseUnsupported } from "../read-mode.ts";
import { type ApiResponse, empty, plainText } from "../request.ts";
import { type Call, json, type Route } from "../route.ts";

export function queryRoutes(context: ReadContext, writer: RegistryWrites): readonly Route[] {
  const { registry, random } = context;

  const create = async (call: Call) => {
    refuseUnsupported(call.query);
    return json(call, { ID: await writer.createQuery(readQuery(BodyFields.parse(call.request.body))) });
  };

  const list = (call: Call) =>
    blockingRead(context, call, { kind: "queries" }, (headers) =>
      json(call, registry.queries().map(queryJson), headers),
    );

  const read = (call: Call) => {
    const verb = /^(.*)\/(execute|explain)$/.exec(call.rest);
    if (verb?.[2] === "execute") return execute(call, verb[1] ?? "");
    if (verb) return explain(call, verb[1] ?? "");
    return blockingRead(context, call, { kind: "queries" }, (headers) => {
      const found = registry.queries().find(({ id }) => id === call.rest);
      return found ? json(call, [queryJson(found)], headers) : plainText(404, "Query not found", headers);
    });
  };

  const update = async (call: Call) => {
    refuseUnsupported(call.query);
    await writer.updateQuery(call.rest, readQuery(BodyFields.parse(call.request.body)));
    return empty();
  };

  const remove = async (call: Call) => {
    refuseUnsupported(call.query);
    await writer.deleteQuery(call.rest);
    return empty();
  };

  /** In random order, as nothing is nearer. */
  const execute = async (call: Call, nameOrId: string): Promise<ApiResponse> => {
    const mode = readMode(call.query, registry.datacenter);
    const limit = Number(call.query.uint("limit", "Invalid limit") ?? 0n);
    if (mode === "consistent") await registry.barrier(call.request.signal);
    const query = registry.query(nameOrId);
    if (!query) return plainText(404, "Query not found");
    const found = shuffled(answersOf(query, registry.service(query.service)), random);
    const headers = readHeaders(registry, registry.indexOf({ kind: "service", name: query.service }), mode);
    const answer = {
      Service: query.service,
      Nodes: found.slice(0, limit || found.length).map(instanceJson),
      DNS: queryJson(query).DNS,
      Datacenter: registry.datacenter,
      Failovers: 0,
    };
    return json(call, answer, headers);
  };

  const explain = (call: Call, nameOrId: string) => {
    readMode(call.query, registry.datacenter);
    const query = registry.query(nameOrId);
    return query ? json(call, { Query: queryJson(query) }) : plainText(404, "Query not found");
  };

  return [
    { path: "/v1/query", methods: { GET: list, POST: create } },
    { path: "/v1/query/*", methods: { GET: read, PUT: update, DELETE: remove } },
  ];
}

/** Critical instances never, those with a warning unless only passing ones are wanted. `!tag` keeps out. */
function answersOf(query: QueryEntry, instances: readonly ServiceInstance[]): ServiceInstance[] {
  const [without, within] = [query.tags.filter(isNot), query.tags.filter((tag) => !isNot(tag))];
  return instances.filter(({ node, service, checks }) => {
    const tags = service.tags.map((tag) => tag.toLowerCase());
    const counted = checks.filter(({ id }) => !query.ignoreCheckIds.includes(id));
    return (
      counted.every(({ status }) => status === "passing" || (!query.onlyPassing && status === "warning")) &&
      within.every((tag) => tags.includes(tag.toLowerCase())) &&
      !without.some((tag) => tags.includes(tag.slice(1).toLowerCase())) &&
      holds(node.meta, query.nodeMeta) &&
      holds(service.meta, query.serviceMeta)
    );
  });
}

function isNot(tag: string): boolean {
  return tag.startsWith("!");
}

function holds(meta: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(meta, key) && meta[key] === value);
}

/** Fisher and Yates. */
function shuffled<T>(items: T[], random: () => number): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other] as T, items[last] as T];
  }
  return items;
}
