/**
 * Consul's register bodies → definitions of the registry. What Heddle does not have is refused by name: a check
 * that never runs would look like a healthy or a dead service.
 */
import type {
  CheckDefinition,
  CheckStatus,
  NamedPort,
  ServiceDefinition,
  TaggedAddress,
} from "../../registry/index.ts";
import { badRequest } from "../query.ts";
import type { BodyFields } from "./body-fields.ts";
import { present, refuse } from "./field-rules.ts";
import { readMesh } from "./mesh-body.ts";
import { readProbe } from "./probe-body.ts";

/** Consul's names, and what answers hold, so that one can be sent back. */
const echoed = ["namespace", "partition", "peername", "datacenter", "createindex", "modifyindex"];
const serviceFields = new Set([
  ...[
    "id",
    "name",
    "service",
    "tags",
    "address",
    "port",
    "ports",
    "meta",
    "weights",
    "taggedaddresses",
    "check",
    "checks",
  ],
  ...["enabletagoverride", "kind", "proxy", "connect", "socketpath", "locality", "contenthash", ...echoed],
]);
const portFields = new Set(["name", "port", "default"]);
const checkFields = new Set([
  ...[
    "id",
    "checkid",
    "name",
    "status",
    "notes",
    "output",
    "serviceid",
    "ttl",
    "interval",
    "timeout",
    "type",
  ],
  ...[
    "http",
    "method",
    "header",
    "body",
    "disableredirects",
    "tcp",
    "tcpusetls",
    "udp",
    "grpc",
    "grpcusetls",
  ],
  ...["h2ping", "h2pingusetls", "tlsskipverify", "tlsservername", "args", "scriptargs", "script", "shell"],
  ...["dockercontainerid", "aliasnode", "aliasservice", "osservice", "outputmaxsize", "exposedport"],
  ...["successbeforepassing", "failuresbeforewarning", "failuresbeforecritical", "node", "definition"],
  ...["deregistercriticalserviceafter", "proxyhttp", "proxygrpc", "servicename", "servicetags", ...echoed],
]);

/** @throws API_BAD_REQUEST, API_UNSUPPORTED */
export function readService(body: BodyFields, name = body.text("name") ?? ""): ServiceDefinition {
  if (name === "") throw badRequest("Missing service name");
  body.refuseUnknown(serviceFields);
  refuse(body, ["socketpath", "locality"], "service");
  const mesh = readMesh(body, name);
  const id = body.text("id");
  const check = body.object("check");
  const checks = [...(check ? [check] : []), ...body.list("checks")].filter((one) => !one.isEmpty);
  const weights = body.object("weights");
  return {
    ...(id !== undefined && id !== "" && { id }),
    name,
    ...mesh,
    tags: body.texts("tags") ?? [],
    address: body.text("address") ?? "",
    port: body.number("port") ?? 0,
    ports: body.list("ports").map(readPort),
    meta: body.textMap("meta") ?? {},
    enableTagOverride: body.boolean("enabletagoverride") ?? false,
    taggedAddresses: Object.fromEntries(body.objects("taggedaddresses").map(readTaggedAddress)),
    weights: { passing: weights?.number("passing") ?? 1, warning: weights?.number("warning") ?? 1 },
    checks: checks.map(readCheck),
  };
}

/** @throws API_BAD_REQUEST, API_UNSUPPORTED */
export function readCheck(body: BodyFields): CheckDefinition {
  body.refuseUnknown(checkFields);
  const status = body.text("status");
  const thresholds = {
    successBeforePassing: body.number("successbeforepassing"),
    failuresBeforeWarning: body.number("failuresbeforewarning"),
    failuresBeforeCritical: body.number("failuresbeforecritical"),
    deregisterCriticalServiceAfterMs: body.durationMs("deregistercriticalserviceafter"),
  };
  const texts = {
    id: body.text("checkid", "id"),
    name: body.text("name"),
    notes: body.text("notes"),
    output: body.text("output"),
  };
  return {
    ...present(texts),
    ...present(thresholds),
    ...(status !== undefined && status !== "" && { status: readStatus(status) }),
    probe: readProbe(body),
  };
}

/** @throws API_BAD_REQUEST */
export function readStatus(text: string): CheckStatus {
  if (text === "passing" || text === "warning" || text === "critical") return text;
  throw badRequest(`Invalid check status: '${text}'`);
}

function readPort(fields: BodyFields): NamedPort {
  fields.refuseUnknown(portFields);
  return {
    name: fields.text("name") ?? "",
    port: fields.number("port") ?? 0,
    isDefault: fields.boolean("default") ?? false,
  };
}

function readTaggedAddress([name, fields]: readonly [string, BodyFields]): [string, TaggedAddress] {
  return [name, { address: fields.text("address") ?? "", port: fields.number("port") ?? 0 }];
}
