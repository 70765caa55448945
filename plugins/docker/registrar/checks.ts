/**
 * Checks of a service from its fields. `http`, `https`, `tcp`, `ttl`, `script` make one check each, the other
 * fields hold for all of them; a container that has a HEALTHCHECK of its own gets it as a check of kind `docker`
 * without asking, unless `check.docker=false`.
 */
import { FabricError } from "../../../errors/index.ts";
import {
  type CheckDefinition,
  type CheckProbe,
  type CheckStatus,
  parseGoDuration,
} from "../../../registry/index.ts";
import type { Fields } from "./fields.ts";

export interface CheckTarget {
  /** Where the agent reaches the service. */
  readonly address: string;
  /** 0 when it has none. */
  readonly port: number;
}

const defaultIntervalMs = 10_000;

/** @throws REGISTRAR_LABEL_INVALID */
export function checksOf(
  serviceId: string,
  fields: Fields,
  target: CheckTarget,
  hasHealthcheck: boolean,
): readonly CheckDefinition[] {
  const probes = probesOf(fields, target);
  const paced = paceOf(fields);
  const checks = probes.map((probe): CheckDefinition => {
    const id = probes.length === 1 ? `service:${serviceId}` : `service:${serviceId}:${probe.kind}`;
    return { id, probe, ...paced };
  });
  const wanted = truth(fields, "check.docker");
  if (wanted === true && !hasHealthcheck)
    throw invalid("check.docker", "true", "the container has no HEALTHCHECK");
  if (hasHealthcheck && wanted !== false)
    checks.push({
      id: dockerCheckId(serviceId),
      name: "Docker HEALTHCHECK",
      probe: { kind: "docker" },
      ...deregisterOf(fields),
    });
  return checks;
}

export function dockerCheckId(serviceId: string): string {
  return `docker:${serviceId}`;
}

export function invalid(field: string, value: string, why: string): FabricError {
  return new FabricError(
    "REGISTRAR_LABEL_INVALID",
    `read ${field}=${JSON.stringify(value.slice(0, 100))}: ${why}; correct the container's label or variable`,
    { details: { field } },
  );
}

/** Undefined when the field is not there. @throws REGISTRAR_LABEL_INVALID */
export function truth(fields: Fields, field: string): boolean | undefined {
  const value = fields.get(field);
  if (value === undefined || value === "") return undefined;
  if (/^(true|1|yes|on)$/i.test(value)) return true;
  if (/^(false|0|no|off)$/i.test(value)) return false;
  throw invalid(field, value, "expected true or false");
}

function probesOf(fields: Fields, target: CheckTarget): readonly CheckProbe[] {
  const probes: CheckProbe[] = [];
  const pace = () => {
    const timeoutMs = duration(fields, "check.timeout");
    return {
      intervalMs: duration(fields, "check.interval") ?? defaultIntervalMs,
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
  };
  const method = fields.get("check.method");
  for (const scheme of ["http", "https"] as const) {
    const where = fields.get(`check.${scheme}`);
    if (!where) continue;
    const url = urlOf(scheme, where, target);
    const tlsSkipVerify = truth(fields, "check.tls-skip-verify") ?? false;
    probes.push({
      kind: "http",
      url,
      ...pace(),
      ...(method && { method }),
      ...(tlsSkipVerify && { tlsSkipVerify }),
    });
  }
  const tcp = fields.get("check.tcp");
  if (tcp && !/^(false|0|no|off)$/i.test(tcp))
    probes.push({ kind: "tcp", ...tcpTarget(tcp, target), ...pace() });
  const script = fields.get("check.script");
  if (script) {
    const text = script
      .replaceAll("$SERVICE_IP", target.address)
      .replaceAll("$SERVICE_PORT", String(target.port));
    probes.push({ kind: "script", args: ["/bin/sh", "-c", text], ...pace() });
  }
  const ttlMs = duration(fields, "check.ttl");
  if (ttlMs !== undefined) probes.push({ kind: "ttl", ttlMs });
  if (new Set(probes.map(({ kind }) => kind)).size < probes.length)
    throw invalid("check.https", fields.get("check.https") ?? "", "there is check.http as well; choose one");
  return probes;
}

function paceOf(fields: Fields): Partial<CheckDefinition> {
  const status = fields.get("check.status");
  if (status && !["passing", "warning", "critical"].includes(status))
    throw invalid("check.status", status, "expected passing, warning or critical");
  const successes = count(fields, "check.success-before-passing");
  const warning = count(fields, "check.failures-before-warning");
  const critical = count(fields, "check.failures-before-critical");
  return {
    ...(status && { status: status as CheckStatus }),
    ...(successes !== undefined && { successBeforePassing: successes }),
    ...(warning !== undefined && { failuresBeforeWarning: warning }),
    ...(critical !== undefined && { failuresBeforeCritical: critical }),
    ...deregisterOf(fields),
  };
}

function deregisterOf(fields: Fields): Partial<CheckDefinition> {
  const afterMs = duration(fields, "check.deregister");
  return afterMs === undefined ? {} : { deregisterCriticalServiceAfterMs: afterMs };
}

/** `/path`, `:8080/path`, or a whole URL. */
function urlOf(scheme: "http" | "https", where: string, { address, port }: CheckTarget): string {
  if (/^https?:\/\//.test(where)) return where;
  const [, digits, path = where] = /^:(\d{1,5})(\/.*)?$/.exec(where) ?? [];
  const number = digits === undefined ? port : Number(digits);
  if (number === 0) throw invalid(`check.${scheme}`, where, "the service has no port to ask");
  const rooted = digits !== undefined && path === where ? "/" : path.replace(/^(?!\/)/, "/");
  return `${scheme}://${address.includes(":") ? `[${address}]` : address}:${number}${rooted}`;
}

/** `true`, `8080`, `:8080`, or `host:8080`. */
function tcpTarget(where: string, { address, port }: CheckTarget): { host: string; port: number } {
  if (/^(true|yes|on)$/i.test(where)) {
    if (port === 0) throw invalid("check.tcp", where, "the service has no port to connect to");
    return { host: address, port };
  }
  const [, host = "", digits = ""] = /^(?:\[?([^[\]]*?)\]?:)?(\d{1,5})$/.exec(where) ?? [];
  const number = Number(digits);
  if (digits === "" || number < 1 || number > 65_535)
    throw invalid("check.tcp", where, "expected true, a port, or host:port");
  return { host: host || address, port: number };
}

function duration(fields: Fields, field: string): number | undefined {
  const value = fields.get(field);
  if (value === undefined || value === "") return undefined;
  const ms = parseGoDuration(value);
  if (ms === undefined || ms <= 0) throw invalid(field, value, "expected a duration like 10s or 1m30s");
  return ms;
}

function count(fields: Fields, field: string): number | undefined {
  const value = fields.get(field);
  if (value === undefined || value === "") return undefined;
  if (!/^\d{1,4}$/.test(value)) throw invalid(field, value, "expected a whole number");
  return Number(value);
}
