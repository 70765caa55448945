/**
 * Nodes, services and checks as Consul's catalog writes them (`/v1/catalog/register`, `/v1/txn`) → records, with
 * the limits that agents hold to. What Heddle does not have is refused by name.
 */

import {
  type CheckRecord,
  defaultAgentLimits,
  type NodeRecord,
  planCheck,
  planNode,
  planService,
  type ServiceRecord,
} from "../../registry/index.ts";
import type { ContentReads } from "../access/guarded-reads.ts";
import { badRequest } from "../query.ts";
import { assertDatacenterNamed } from "../read-mode.ts";
import type { BodyFields } from "./body-fields.ts";
import { readService, readStatus } from "./service-body.ts";

/** The id that the node has already stays when the body names none. @throws API_BAD_REQUEST, REGISTRY_INVALID, ADDR_INVALID_IP */
export function readNode(body: BodyFields, registry: ContentReads): NodeRecord {
  const name = body.text("node") ?? "";
  assertDatacenterNamed(body.text("datacenter") ?? "", registry.datacenter);
  return planNode({
    name,
    id: body.text("id") || registry.node(name)?.id || "",
    address: body.text("address") ?? "",
    datacenter: registry.datacenter,
    meta: body.textMap("nodemeta", "meta") ?? {},
    taggedAddresses: body.textMap("taggedaddresses") ?? {},
  });
}

/** A service with `Service` for its name. @throws API_BAD_REQUEST, API_UNSUPPORTED, REGISTRY_INVALID */
export function readCatalogService(body: BodyFields, node: string): ServiceRecord {
  const name = body.text("service", "name") ?? "";
  if (name === "") throw badRequest("Must provide service name");
  return planService(node, { ...readService(body, name), checks: [] }, defaultAgentLimits).service;
}

/** A check that somebody else runs. @throws API_BAD_REQUEST, REGISTRY_INVALID */
export function readCatalogCheck(body: BodyFields, node: string): CheckRecord {
  const id = body.text("checkid", "id") || body.text("name") || "";
  const status = body.text("status") || "critical";
  const definition = {
    id,
    name: body.text("name") || id,
    notes: body.text("notes") ?? "",
    output: body.text("output") ?? "",
    status: readStatus(status),
    probe: { kind: "none" },
  } as const;
  const { record } = planCheck(node, definition, undefined, defaultAgentLimits);
  return {
    ...record,
    serviceId: body.text("serviceid") ?? "",
    serviceName: body.text("servicename") ?? "",
    serviceTags: body.texts("servicetags") ?? [],
    type: body.text("type") ?? "",
    interval: body.text("interval") ?? "",
    timeout: body.text("timeout") ?? "",
  };
}
