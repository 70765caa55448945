/** Hello, welcome and requests for views as messages. */
import { create } from "@bufbuild/protobuf";
import type { AgentIdentity } from "../agent-identity.ts";
import { protocolVersion } from "../control-service.ts";
import { type AgentMessage, type Hello, HelloSchema, type Welcome } from "../proto/gen/fabric_pb.ts";
import type { ServerWelcome } from "./client-contract.ts";
import type { ViewRequest } from "./view-table.ts";

export function helloOf(
  node: AgentIdentity,
  held: { readonly storeId: string; readonly epoch: number } | undefined,
): Hello {
  const { name, underlay, meta, taggedAddresses, ...rest } = node;
  return create(HelloSchema, {
    ...rest,
    protocol: protocolVersion,
    node: name,
    underlay: [...underlay],
    meta: { ...meta },
    taggedAddresses: { ...taggedAddresses },
    storeId: held?.storeId ?? "",
    epoch: BigInt(held?.epoch ?? 0),
  });
}

export function readWelcome(welcome: Welcome, sentAtMs: number): ServerWelcome {
  const { server, version, datacenter, storeId } = welcome;
  return {
    server,
    version,
    datacenter,
    storeId,
    revision: Number(welcome.revision),
    epoch: Number(welcome.epoch),
    takenOver: welcome.takenOver,
    reclaimAfterMs: Number(welcome.reclaimAfterMs),
    sentAtMs,
  };
}

export function viewMessageOf(request: ViewRequest): AgentMessage["kind"] {
  return request.case === "subscribe"
    ? { case: "subscribe", value: { $typeName: "heddle.control.v1.Subscribe", ...request.value } }
    : { case: "unsubscribe", value: { $typeName: "heddle.control.v1.Unsubscribe", ...request.value } };
}
