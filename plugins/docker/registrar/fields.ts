/**
 * Labels and variables as fields of services. Two dialects say the same thing:
 *
 *   heddle.service=web          SERVICE_NAME=web             the service
 *   heddle.service.80=web       SERVICE_80_NAME=web          the service on that port
 *   heddle.tags=a,b             SERVICE_TAGS=a,b             of all its services
 *   heddle.service.80.tags=a    SERVICE_80_TAGS=a            of that one
 *   heddle.check.http=/up       SERVICE_CHECK_HTTP=/up
 *   heddle.meta.zone=eu         SERVICE_ZONE=eu
 *
 * `heddle.` stands in labels only; Registrator's names stand in labels and in the environment, labels win. Where
 * both dialects give a field, Heddle's counts. What a field's value means is read elsewhere.
 */
import { portOf } from "./facts.ts";

export type Fields = ReadonlyMap<string, string>;

export interface ServiceFields {
  readonly common: Fields;
  /** By `80/tcp`. */
  readonly byPort: ReadonlyMap<string, Fields>;
  /** The service was named in Registrator's way, whose rules for several ports then hold. */
  readonly asRegistrator: boolean;
  /** Names that begin like ours and mean nothing. */
  readonly unknown: readonly string[];
}

const plainFields = new Set(["name", "id", "tags", "port", "network", "ignore"]);
const checkFields = new Set([
  "http",
  "https",
  "tcp",
  "ttl",
  "script",
  "docker",
  "interval",
  "timeout",
  "method",
  "tls-skip-verify",
  "status",
  "success-before-passing",
  "failures-before-warning",
  "failures-before-critical",
  "deregister",
]);
/** Registrator's words that are not ours. */
const registratorChecks: Readonly<Record<string, string>> = {
  http_method: "method",
  https_method: "method",
  initial_status: "status",
  deregister_after: "deregister",
  tls_skip_verify: "tls-skip-verify",
  cmd: "",
  grpc: "",
  grpc_use_tls: "",
};

class FieldTable {
  readonly common = new Map<string, string>();
  readonly byPort = new Map<string, Map<string, string>>();

  set(port: string | undefined, field: string, value: string): void {
    if (port === undefined) this.common.set(field, value);
    else {
      const fields = this.byPort.get(port) ?? new Map<string, string>();
      this.byPort.set(port, fields.set(field, value));
    }
  }
}

export function readFields(
  labels: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>>,
): ServiceFields {
  const table = new FieldTable();
  const unknown: string[] = [];
  for (const source of [environment, labels]) {
    for (const [name, value] of Object.entries(source))
      if (name.startsWith("SERVICE_") && !readRegistrator(table, name.slice("SERVICE_".length), value))
        unknown.push(name);
  }
  const named = (fields: Fields) => fields.has("name");
  const asRegistrator = named(table.common) || [...table.byPort.values()].some(named);
  let overridden = false;
  for (const [name, value] of Object.entries(labels)) {
    if (!name.startsWith("heddle.")) continue;
    if (readHeddle(table, name.slice("heddle.".length), value)) overridden ||= name === "heddle.service";
    else unknown.push(name);
  }
  const { common, byPort } = table;
  return { common, byPort, asRegistrator: asRegistrator && !overridden, unknown };
}

function readHeddle(table: FieldTable, name: string, value: string): boolean {
  if (name === "service") {
    table.set(undefined, "name", value);
    return true;
  }
  const [, spec, rest] = /^service\.([^.]+)(?:\.(.+))?$/.exec(name) ?? [];
  if (spec === undefined) return setKnown(table, undefined, name, value);
  const [port] = portOf(spec);
  return port !== undefined && setKnown(table, `${port.number}/${port.protocol}`, rest ?? "name", value);
}

function setKnown(table: FieldTable, port: string | undefined, field: string, value: string): boolean {
  const known = field.startsWith("check.")
    ? checkFields.has(field.slice("check.".length))
    : plainFields.has(field) || /^meta\../.test(field);
  if (known && !(port !== undefined && (field === "port" || field === "network")))
    table.set(port, field, value);
  return known;
}

function readRegistrator(table: FieldTable, name: string, value: string): boolean {
  const [, digits, rest = name] = /^(\d{1,5})_(.+)$/.exec(name) ?? [];
  const [port] = digits === undefined ? [] : portOf(digits);
  if (digits !== undefined && !port) return false;
  const word = rest.toLowerCase();
  const spec = port && `${port.number}/${port.protocol}`;
  if (["name", "id", "tags", "ignore"].includes(word)) {
    table.set(spec, word, value);
    return true;
  }
  if (!word.startsWith("check_")) {
    table.set(spec, `meta.${word}`, value);
    return true;
  }
  const check = word.slice("check_".length);
  const ours = registratorChecks[check] ?? check;
  if (!checkFields.has(ours)) return false;
  table.set(spec, `check.${ours}`, value);
  return true;
}
