/**
 * Consul's register bodies → definitions of the registry. What Heddle does not have is refused by name: a check
 * that never runs would look like a healthy or a dead service.
 */
import { FabricError } from "../../errors/index.ts";
import type {
  CheckDefinition,
  CheckProbe,
  CheckStatus,
  ServiceDefinition,
  TaggedAddress,
} from "../../registry/index.ts";
import { badRequest } from "../query.ts";
import type { BodyFields } from "./body-fields.ts";
import { readMesh } from "./mesh-body.ts";

/** @throws API_BAD_REQUEST, API_UNSUPPORTED */
export function readService(body: BodyFields, name = body.text("name") ?? ""): ServiceDefinition {
  if (name === "") throw badRequest("Missing service name");
  refuse(body, ["socketpath", "locality"], "service");
  const mesh = readMesh(body, name);
  const id = body.text("id");
  const check = body.object("check");
  const checks = [...(check ? [check] : []), ...body.list("checks")].map(readCheck);
  const weights = body.object("weights");
  return {
    ...(id !== undefined && id !== "" && { id }),
    name,
    ...mesh,
    tags: body.texts("tags") ?? [],
    address: body.text("address") ?? "",
    port: body.number("port") ?? 0,
    meta: body.textMap("meta") ?? {},
    enableTagOverride: body.boolean("enabletagoverride") ?? false,
    taggedAddresses: Object.fromEntries(body.objects("taggedaddresses").map(readTaggedAddress)),
    weights: { passing: weights?.number("passing") ?? 1, warning: weights?.number("warning") ?? 1 },
    checks,
  };
}

/** @throws API_BAD_REQUEST, API_UNSUPPORTED */
export function readCheck(body: BodyFields): CheckDefinition {
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

function readProbe(body: BodyFields): CheckProbe {
  refuse(
    body,
    ["grpc", "h2ping", "udp", "osservice", "dockercontainerid", "aliasnode", "aliasservice", "script"],
    "check",
  );
  const intervalMs = body.durationMs("interval") ?? 0;
  const timeoutMs = body.durationMs("timeout") ?? 0;
  const ttlMs = body.durationMs("ttl") ?? 0;
  const http = body.text("http") ?? "";
  const tcp = body.text("tcp") ?? "";
  const args = body.texts("args", "scriptargs") ?? [];
  const kinds = [http !== "", tcp !== "", args.length > 0].filter(Boolean).length;
  if (kinds > 1) throw invalid("only one of HTTP, TCP and Args may be given");
  if (kinds === 0) {
    if (intervalMs > 0 && ttlMs > 0) throw invalid("Interval and TTL cannot both be specified");
    if (ttlMs <= 0) throw invalid("TTL must be > 0 for TTL checks");
    return { kind: "ttl", ttlMs };
  }
  if (ttlMs > 0) throw invalid("Interval and TTL cannot both be specified");
  if (intervalMs <= 0) throw invalid("Interval must be > 0 for Script, HTTP or TCP checks");
  const pace = { intervalMs, ...(timeoutMs > 0 && { timeoutMs }) };
  if (http !== "") return { kind: "http", url: http, ...readHttpOptions(body), ...pace };
  if (tcp === "") return { kind: "script", args, ...pace };
  if (body.boolean("tcpusetls") === true) throw unsupported("TCP checks with TLS");
  return { kind: "tcp", ...readHostPort(tcp), ...pace };
}

function readHttpOptions(body: BodyFields) {
  const header = body.object("header") ? (body.value("header") as Record<string, unknown>) : undefined;
  const headers =
    header && Object.fromEntries(Object.entries(header).map(([name, value]) => [name, asTexts(value)]));
  return present({
    method: body.text("method"),
    headers,
    body: body.text("body"),
    tlsSkipVerify: body.boolean("tlsskipverify"),
    tlsServerName: body.text("tlsservername"),
    disableRedirects: body.boolean("disableredirects"),
  });
}

/** Consul wants lists; many write one string. */
function asTexts(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  if (!list.every((item) => typeof item === "string"))
    throw badRequest("Request decode failed: Header must hold strings");
  return list;
}

function readHostPort(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65_535)
    throw invalid(`TCP must be host:port, not ${JSON.stringify(text)}`);
  return { host: match[1] || match[2] || "127.0.0.1", port };
}

function readTaggedAddress([name, fields]: readonly [string, BodyFields]): [string, TaggedAddress] {
  return [name, { address: fields.text("address") ?? "", port: fields.number("port") ?? 0 }];
}

function refuse(body: BodyFields, names: readonly string[], what: string): void {
  for (const name of names) {
    if (!isEmpty(body.value(name))) throw unsupported(`${name} in a ${what}`);
  }
}

/** Also what answers hold where there is nothing, so that an answer can be sent back. */
function isEmpty(value: unknown): boolean {
  if (typeof value !== "object" || value === null)
    return [undefined, null, "", false, 0].includes(value as never);
  return Object.values(value).every(isEmpty);
}

/** Drops what is absent, so that it gets its default. */
function present<T extends Readonly<Record<string, unknown>>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""),
  ) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function invalid(why: string): Error {
  return badRequest(`Invalid check: ${why}`);
}

function unsupported(what: string): FabricError {
  return new FabricError("API_UNSUPPORTED", `Heddle does not support ${what}`);
}
