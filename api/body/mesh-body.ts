/**
 * `Kind`, `Proxy` and `Connect` of a registration: kept, shown and filtered by, for those who run a mesh of their
 * own beside the registry. Heddle starts no proxy, so a sidecar that Consul would make up is refused by name.
 */
import { FabricError } from "../../errors/index.ts";
import type { ServiceDefinition } from "../../registry/index.ts";
import { badRequest } from "../query.ts";
import type { BodyFields } from "./body-fields.ts";

const kinds = ["connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"];

/** Consul's names of the fields; their values are the client's. */
const proxyFields = [
  "DestinationServiceName",
  "DestinationServiceID",
  "LocalServiceAddress",
  "LocalServicePort",
  "LocalServiceSocketPath",
  "Mode",
  "Config",
  "Upstreams",
  "MeshGateway",
  "Expose",
  "TransparentProxy",
  "EnvoyExtensions",
  "AccessLogs",
];

/** @throws API_BAD_REQUEST, API_UNSUPPORTED */
export function readMesh(
  body: BodyFields,
  name: string,
): Pick<ServiceDefinition, "kind" | "proxy" | "connectNative"> {
  const kind = body.text("kind") ?? "";
  if (kind !== "" && !kinds.includes(kind))
    throw badRequest(`Invalid service kind ${JSON.stringify(kind)}: one of ${kinds.join(", ")}, or none`);
  const connect = body.object("connect");
  if (connect?.value("sidecarservice") !== undefined)
    throw new FabricError(
      "API_UNSUPPORTED",
      "Heddle does not support Connect.SidecarService; register the proxy as a service of its own",
    );
  const native = connect?.boolean("native") ?? false;
  const proxy = readProxy(body.object("proxy"));
  if (kind === "connect-proxy") {
    if (!proxy?.["DestinationServiceName"])
      throw badRequest("Proxy.DestinationServiceName must be non-empty for Connect proxy services");
    if (!body.number("port")) throw badRequest(`Port must be set for a Connect proxy (service ${name})`);
    if (native) throw badRequest("A Proxy cannot also be Connect Native, only typical services");
  }
  return {
    ...(kind !== "" && { kind }),
    ...(proxy && { proxy }),
    ...(native && { connectNative: true }),
  };
}

/** What is empty is left out, so that what an answer shows can be sent back. */
function readProxy(body: BodyFields | undefined): Readonly<Record<string, unknown>> | undefined {
  if (!body) return undefined;
  body.text("destinationservicename");
  const fields = proxyFields
    .map((name) => [name, body.value(name.toLowerCase())] as const)
    .filter(([, value]) => !isEmpty(value));
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
}

function isEmpty(value: unknown): boolean {
  if (typeof value !== "object" || value === null)
    return value === undefined || value === null || value === "" || value === 0;
  return Object.keys(value).length === 0;
}
