/**
 * What a check of Consul's does → a probe of the registry. Which kind it is follows from the one field that names its
 * target; two of them, or none and no TTL, are 400.
 */
import type { CheckProbe } from "../../registry/index.ts";
import { badRequest } from "../query.ts";
import type { BodyFields } from "./body-fields.ts";
import { present, refuse } from "./field-rules.ts";

type Pace = { readonly intervalMs: number; readonly timeoutMs?: number };

/** @throws API_BAD_REQUEST, API_UNSUPPORTED */
export function readProbe(body: BodyFields): CheckProbe {
  refuse(body, ["osservice", "script"], "check");
  const intervalMs = body.durationMs("interval") ?? 0;
  const timeoutMs = body.durationMs("timeout") ?? 0;
  const ttlMs = body.durationMs("ttl") ?? 0;
  const alias = readAlias(body);
  const kinds = probesOf(body);
  const named = [...kinds.map(({ name }) => name), ...(alias ? ["Alias"] : [])];
  if (named.length > 1) throw invalid(`only one of ${named.join(", ")} may be given`);
  if (alias) {
    if (intervalMs > 0 || ttlMs > 0) throw invalid("Interval and TTL do not go with an alias");
    return alias;
  }
  const [kind] = kinds;
  if (!kind) {
    if (intervalMs > 0 && ttlMs > 0) throw invalid("Interval and TTL cannot both be specified");
    if (ttlMs <= 0) throw invalid("TTL must be > 0 for TTL checks");
    return { kind: "ttl", ttlMs };
  }
  if (ttlMs > 0) throw invalid("Interval and TTL cannot both be specified");
  if (intervalMs <= 0) throw invalid(`Interval must be > 0 for ${kind.name} checks`);
  return kind.read({ intervalMs, ...(timeoutMs > 0 && { timeoutMs }) });
}

interface NamedProbe {
  readonly name: string;
  read(pace: Pace): CheckProbe;
}

/** Of the fields that are there. */
function probesOf(body: BodyFields): readonly NamedProbe[] {
  const args = body.texts("args", "scriptargs") ?? [];
  const container = body.text("dockercontainerid") ?? "";
  const program: NamedProbe = container
    ? {
        name: "DockerContainerID",
        read: (pace) => {
          if (args.length === 0) throw invalid("DockerContainerID needs Args");
          return { kind: "exec", container, args, ...pace };
        },
      }
    : { name: "Args", read: (pace) => ({ kind: "script", args, ...pace }) };
  const targets: readonly (readonly [field: string, read: (target: string, pace: Pace) => CheckProbe])[] = [
    ["HTTP", (url, pace) => ({ kind: "http", url, ...readHttpOptions(body), ...pace })],
    [
      "TCP",
      (target, pace) => ({
        kind: "tcp",
        ...readHostPort("TCP", target),
        ...readTls(body, "tcpusetls"),
        ...pace,
      }),
    ],
    ["UDP", (target, pace) => ({ kind: "udp", ...readHostPort("UDP", target), ...pace })],
    [
      "GRPC",
      (target, pace) => ({ kind: "grpc", ...readGrpc(target), ...readTls(body, "grpcusetls"), ...pace }),
    ],
    [
      "H2PING",
      (target, pace) => ({
        kind: "h2ping",
        ...readHostPort("H2PING", target),
        ...readTls(body, "h2pingusetls", true),
        ...pace,
      }),
    ],
  ];
  const probes = targets.flatMap(([name, read]): NamedProbe[] => {
    const target = body.text(name.toLowerCase()) ?? "";
    return target === "" ? [] : [{ name, read: (pace) => read(target, pace) }];
  });
  return args.length > 0 || container !== "" ? [...probes, program] : probes;
}

function readAlias(body: BodyFields): Extract<CheckProbe, { kind: "alias" }> | undefined {
  const node = body.text("aliasnode") ?? "";
  const service = body.text("aliasservice") ?? "";
  if (node === "" && service === "") return undefined;
  return { kind: "alias", ...(node !== "" && { node }), ...(service !== "" && { service }) };
}

function readTls(body: BodyFields, switchField: string, byDefault = false) {
  return present({
    tls: body.boolean(switchField) ?? byDefault,
    tlsSkipVerify: body.boolean("tlsskipverify"),
    tlsServerName: body.text("tlsservername"),
  });
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

/** `host:port/service`; without a service the server itself is asked. */
function readGrpc(target: string): { host: string; port: number; service: string } {
  const slash = target.indexOf("/");
  const address = slash < 0 ? target : target.slice(0, slash);
  return { ...readHostPort("GRPC", address), service: slash < 0 ? "" : target.slice(slash + 1) };
}

function readHostPort(field: string, text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65_535)
    throw invalid(`${field} must be host:port, not ${JSON.stringify(text)}`);
  return { host: match[1] || match[2] || "127.0.0.1", port };
}

function invalid(why: string): Error {
  return badRequest(`Invalid check: ${why}`);
}
