/** Prepared queries in the shapes of Consul's bodies. */
import {
  formatGoDuration,
  type QueryEntry,
  type QueryRecord,
  type QueryTemplate,
} from "../../registry/index.ts";
import type { BodyFields } from "../body/body-fields.ts";
import { badRequest } from "../query.ts";

export function queryJson(query: QueryEntry) {
  return {
    ID: query.id,
    Name: query.name,
    Session: query.session,
    Token: "",
    Template: {
      Type: query.template?.kind ?? "",
      Regexp: query.template?.regexp ?? "",
      RemoveEmptyTags: query.template?.removeEmptyTags ?? false,
    },
    Service: {
      Service: query.service,
      Failover: {
        NearestN: query.failoverNearestN,
        Datacenters: query.failoverDatacenters,
        Targets: query.failoverTargets.map(({ peer, datacenter }) => ({
          Peer: peer,
          Datacenter: datacenter,
          Partition: "",
          Namespace: "",
        })),
      },
      OnlyPassing: query.onlyPassing,
      IgnoreCheckIDs: query.ignoreCheckIds,
      Near: query.near,
      Tags: query.tags,
      NodeMeta: query.nodeMeta,
      ServiceMeta: query.serviceMeta,
      Connect: query.connect,
    },
    DNS: { TTL: query.dnsTtlMs === 0 ? "" : formatGoDuration(query.dnsTtlMs) },
    CreateIndex: query.createIndex,
    ModifyIndex: query.modifyIndex,
  };
}

/** @throws API_BAD_REQUEST */
export function readQuery(body: BodyFields): Omit<QueryRecord, "id"> {
  const service = body.object("service");
  const name = service?.text("service") ?? "";
  if (!service || name === "") throw badRequest("Must provide a Service name to query");
  const template = readTemplate(body.object("template"));
  return {
    name: body.text("name") ?? "",
    session: body.text("session") ?? "",
    ...(template && { template }),
    service: name,
    connect: service.boolean("connect") ?? false,
    onlyPassing: service.boolean("onlypassing") ?? false,
    tags: service.texts("tags") ?? [],
    nodeMeta: service.textMap("nodemeta") ?? {},
    serviceMeta: service.textMap("servicemeta") ?? {},
    ignoreCheckIds: service.texts("ignorecheckids") ?? [],
    near: service.text("near") ?? "",
    ...readFailover(service.object("failover")),
    dnsTtlMs: readTtl(body.object("dns")),
  };
}

function readTemplate(body: BodyFields | undefined): QueryTemplate | undefined {
  const kind = body?.text("type") ?? "";
  if (!body || kind === "") return undefined;
  if (kind !== "name_prefix_match") throw badRequest(`Bad template: unsupported Template.Type '${kind}'`);
  return {
    kind,
    regexp: body.text("regexp") ?? "",
    removeEmptyTags: body.boolean("removeemptytags") ?? false,
  };
}

function readFailover(
  body: BodyFields | undefined,
): Pick<QueryRecord, "failoverNearestN" | "failoverDatacenters" | "failoverTargets"> {
  const failoverNearestN = body?.number("nearestn") ?? 0;
  const failoverDatacenters = body?.texts("datacenters") ?? [];
  const failoverTargets = (body?.list("targets") ?? []).map((target) => ({
    peer: target.text("peer") ?? "",
    datacenter: target.text("datacenter") ?? "",
  }));
  if (!Number.isInteger(failoverNearestN) || failoverNearestN < 0)
    throw badRequest(`Bad NearestN '${failoverNearestN}', must be >= 0`);
  if (failoverTargets.length > 0 && (failoverNearestN > 0 || failoverDatacenters.length > 0))
    throw badRequest("Targets cannot be populated with NearestN or Datacenters");
  if (failoverTargets.some(({ peer, datacenter }) => peer !== "" && datacenter !== ""))
    throw badRequest("Failover targets cannot have both Peer and Datacenter");
  return { failoverNearestN, failoverDatacenters, failoverTargets };
}

function readTtl(body: BodyFields | undefined): number {
  const ttlMs = body?.durationMs("ttl") ?? 0;
  if (ttlMs < 0) throw badRequest(`DNS TTL '${body?.text("ttl")}', must be >=0`);
  return ttlMs;
}
