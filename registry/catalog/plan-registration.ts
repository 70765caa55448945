/**
 * From a definition to what is registered: Consul's defaults and ids, and the limits. Pure: everything is
 * checked here, before anything is written.
 */
import { FabricError } from "../../errors/index.ts";
import type { AgentLimits, CheckDefinition, CheckProbe, ServiceDefinition } from "../agent/definition.ts";
import { formatGoDuration } from "../go-duration.ts";
import type { CheckRecord, ServiceRecord } from "../model.ts";
import { providesMeta, readProvides } from "../resource/resource-paths.ts";
import { assertPort, planPorts } from "./plan-ports.ts";

/** A check as the agent holds it: what is shown, and what is run. */
export interface RegisteredCheck {
  readonly record: CheckRecord;
  readonly definition: CheckDefinition;
}

export interface RegisteredService {
  readonly service: ServiceRecord;
  readonly checks: readonly RegisteredCheck[];
}

/** Check ids are `service:<id>`, or `service:<id>:<n>` from 1 when there are several. @throws REGISTRY_INVALID */
export function planService(
  node: string,
  definition: ServiceDefinition,
  limits: AgentLimits,
): RegisteredService {
  const { name, id = name, tags = [], address = "", meta = {}, checks = [] } = definition;
  const { weights = { passing: 1, warning: 1 }, taggedAddresses = {} } = definition;
  const what = `register service "${name.slice(0, 64)}"`;
  assertText(what, "name", name, limits.nameBytesMax);
  assertText(what, "ID", id, limits.idBytesMax);
  assertCount(what, "tags", tags.length, limits.tagsMax);
  for (const tag of tags) assertBytes(what, "tag", tag, limits.tagBytesMax);
  assertBytes(what, "address", address, limits.nameBytesMax);
  const ports = planPorts(what, definition, limits);
  assertMeta(what, meta, limits);
  readProvides(meta[providesMeta] ?? "");
  assertCount(what, "tagged addresses", Object.keys(taggedAddresses).length, limits.metaPairsMax);
  for (const [tag, tagged] of Object.entries(taggedAddresses)) {
    assertText(what, "tagged address name", tag, limits.metaKeyBytesMax);
    assertBytes(what, "tagged address", tagged.address, limits.nameBytesMax);
    assertPort(what, tagged.port, 0);
  }
  for (const weight of [weights.passing, weights.warning])
    if (!Number.isInteger(weight) || weight < 0 || weight > 65_535)
      throw invalid(what, `weights are whole numbers from 0 to 65535, not ${weight}`);
  assertCount(what, "checks", checks.length, limits.checksPerServiceMax);
  assertBytes(what, "Proxy", JSON.stringify(definition.proxy ?? {}), limits.proxyBytesMax);
  const service: ServiceRecord = {
    node,
    id,
    name,
    kind: definition.kind ?? "",
    tags: [...new Set(tags)],
    address,
    ...ports,
    meta,
    weights,
    enableTagOverride: definition.enableTagOverride ?? false,
    taggedAddresses,
    ...(definition.proxy && { proxy: definition.proxy }),
    ...(definition.connectNative && { connectNative: true }),
  };
  const planned = checks.map((check, at) => {
    const number = checks.length > 1 ? `:${at + 1}` : "";
    const named = { name: `Service '${name}' check`, ...check, id: check.id || `service:${id}${number}` };
    return planCheck(node, named, service, limits);
  });
  if (new Set(planned.map(({ record }) => record.id)).size < planned.length)
    throw invalid(what, "two of its checks have the same ID");
  return { service, checks: planned };
}

/** The id defaults to the name. @throws REGISTRY_INVALID */
export function planCheck(
  node: string,
  definition: CheckDefinition,
  service: ServiceRecord | undefined,
  limits: AgentLimits,
): RegisteredCheck {
  const { name = "", notes = "", status = "critical", output = "", probe } = definition;
  const id = definition.id || name;
  const what = `register check "${(name || id).slice(0, 64)}"`;
  assertText(what, "ID", id, limits.idBytesMax);
  assertText(what, "name", name || id, limits.nameBytesMax);
  assertBytes(what, "notes", notes, limits.textBytesMax);
  const interval = "intervalMs" in probe ? formatGoDuration(probe.intervalMs) : "";
  const timeout = "timeoutMs" in probe && probe.timeoutMs ? formatGoDuration(probe.timeoutMs) : "";
  const record: CheckRecord = {
    node,
    id,
    name: name || id,
    status,
    notes,
    output: cutText(output, limits.textBytesMax),
    serviceId: service?.id ?? "",
    serviceName: service?.name ?? "",
    serviceTags: service?.tags ?? [],
    type: typeOf(probe),
    interval,
    timeout,
  };
  return { record, definition: { ...definition, id } };
}

/** Consul's words. */
function typeOf({ kind }: CheckProbe): string {
  if (kind === "exec") return "docker";
  return kind === "none" ? "" : kind;
}

/** The first `bytesMax` bytes of UTF-8, never half a character. */
export function cutText(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax));
  return text.slice(0, read);
}

export function assertText(what: string, field: string, value: string, bytesMax: number): void {
  if (value === "") throw invalid(what, `its ${field} is empty; give it one`);
  assertBytes(what, field, value, bytesMax);
}

function assertBytes(what: string, field: string, value: string, bytesMax: number): void {
  if (value.length > bytesMax || Buffer.byteLength(value) > bytesMax)
    throw invalid(what, `its ${field} is longer than ${bytesMax} bytes; shorten it`);
  if (!value.isWellFormed()) throw invalid(what, `its ${field} is not well-formed Unicode`);
}

function assertCount(what: string, field: string, count: number, max: number): void {
  if (count > max) throw invalid(what, `it has ${count} ${field}, at most ${max} are accepted`);
}

export function assertTextMap(
  what: string,
  field: string,
  map: Readonly<Record<string, string>>,
  limits: AgentLimits,
): void {
  assertCount(what, `${field} pairs`, Object.keys(map).length, limits.metaPairsMax);
  for (const [key, value] of Object.entries(map)) {
    assertText(what, `${field} name`, key, limits.metaKeyBytesMax);
    assertBytes(what, field, value, limits.metaValueBytesMax);
  }
}

export function assertMeta(what: string, meta: Readonly<Record<string, string>>, limits: AgentLimits): void {
  assertCount(what, "meta pairs", Object.keys(meta).length, limits.metaPairsMax);
  for (const [key, value] of Object.entries(meta)) {
    assertText(what, "meta key", key, limits.metaKeyBytesMax);
    if (!/^[A-Za-z0-9_-]+$/.test(key))
      throw invalid(what, `meta key "${key}" may only have letters, digits, "-" and "_"`);
    assertBytes(what, `meta value of "${key}"`, value, limits.metaValueBytesMax);
  }
}

function invalid(what: string, why: string): FabricError {
  return new FabricError("REGISTRY_INVALID", `${what}: ${why}`);
}
