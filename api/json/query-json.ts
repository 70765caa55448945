/** Prepared queries in the shapes of Consul's bodies. What of them Heddle does not have is refused by name. */
import { FabricError } from "../../errors/index.ts";
import { formatGoDuration, type QueryEntry, type QueryRecord } from "../../registry/index.ts";
import type { BodyFields } from "../body/body-fields.ts";
import { badRequest } from "../query.ts";

export function queryJson(query: QueryEntry) {
  return {
    ID: query.id,
    Name: query.name,
    Session: "",
    Token: "",
    Template: { Type: "", Regexp: "", RemoveEmptyTags: false },
    Service: {
      Service: query.service,
      Failover: { NearestN: query.failoverNearestN, Datacenters: query.failoverDatacenters, Targets: [] },
      OnlyPassing: query.onlyPassing,
      IgnoreCheckIDs: query.ignoreCheckIds,
      Near: query.near,
      Tags: query.tags,
      NodeMeta: query.nodeMeta,
      ServiceMeta: query.serviceMeta,
      Connect: false,
    },
    DNS: { TTL: query.dnsTtlMs === 0 ? "" : formatGoDuration(query.dnsTtlMs) },
    CreateIndex: query.createIndex,
    ModifyIndex: query.modifyIndex,
  };
}

/** @throws API_BAD_REQUEST, API_UNSUPPORTED */
export function readQuery(body: BodyFields): Omit<QueryRecord, "id"> {
  const service = body.object("service");
  if (body.text("session")) throw unsupported("prepared queries that end with a session");
  if (body.object("template")?.text("type")) throw unsupported("templates of prepared queries");
  if (service?.boolean("connect")) throw unsupported("prepared queries for the service mesh");
  const failover = service?.object("failover");
  if (failover?.list("targets").length) throw unsupported("failover targets of prepared queries");
  const name = service?.text("service") ?? "";
  if (!service || name === "") throw badRequest("Must provide a Service name to query");
  const dnsTtlMs = body.object("dns")?.durationMs("ttl") ?? 0;
  if (dnsTtlMs < 0) throw badRequest("DNS TTL must not be negative");
  return {
    name: body.text("name") ?? "",
    service: name,
    onlyPassing: service.boolean("onlypassing") ?? false,
    tags: service.texts("tags") ?? [],
    nodeMeta: service.textMap("nodemeta") ?? {},
    serviceMeta: service.textMap("servicemeta") ?? {},
    ignoreCheckIds: service.texts("ignorecheckids") ?? [],
    near: service.text("near") ?? "",
    failoverNearestN: failover?.number("nearestn") ?? 0,
    failoverDatacenters: failover?.texts("datacenters") ?? [],
    dnsTtlMs,
  };
}

function unsupported(what: string): FabricError {
  return new FabricError("API_UNSUPPORTED", `Heddle does not support ${what}`);
}
