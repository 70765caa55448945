/**
 * Catalog records as JSON in UTF-8. Encoding is canonical (fixed order of fields, sorted maps), so that equal
 * records are equal bytes and "did it change" is one comparison. Decoding never throws: what does not fit is
 * undefined, and the reader counts it as damaged.
 */
import * as z from "zod";
import { type Ip, isIp, type Mac } from "../addr/index.ts";
import { coordinateDimensions } from "./coordinate/coordinate.ts";
import type {
  CheckRecord,
  CoordinateRecord,
  EventRecord,
  NodeRecord,
  QueryRecord,
  ServiceRecord,
  SessionRecord,
} from "./model.ts";

const ip = z.custom<Ip>((value) => typeof value === "string" && isIp(value));
const mac = z.custom<Mac>(
  (value) => typeof value === "string" && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(value),
);
const texts = z.array(z.string()).default([]);
const textMap = z.record(z.string(), z.string()).default({});
const text = z.string().default("");
const port = z.int().min(0).max(65_535);

const nodeSchema = z.object({
  name: z.string().min(1),
  id: z.string(),
  address: ip,
  datacenter: z.string(),
  meta: textMap,
  taggedAddresses: textMap,
  fabric: z
    .object({ zone: z.string(), underlay: z.array(ip), vtepMac: mac, vxlanPort: port, epoch: z.int() })
    .exactOptional(),
});

const serviceSchema = z.object({
  node: z.string().min(1),
  id: z.string().min(1),
  name: z.string().min(1),
  kind: text,
  tags: texts,
  address: text,
  port: port.default(0),
  ports: z.array(z.object({ name: z.string().min(1), port, isDefault: z.boolean() })).exactOptional(),
  meta: textMap,
  weights: z.object({ passing: z.int(), warning: z.int() }).default({ passing: 1, warning: 1 }),
  enableTagOverride: z.boolean().default(false),
  taggedAddresses: z.record(z.string(), z.object({ address: z.string(), port: port.default(0) })).default({}),
  proxy: z.record(z.string(), z.unknown()).exactOptional(),
  connectNative: z.literal(true).exactOptional(),
});

const checkSchema = z.object({
  node: z.string().min(1),
  id: z.string().min(1),
  name: text,
  status: z.enum(["passing", "warning", "critical"]),
  notes: text,
  output: text,
  serviceId: text,
  serviceName: text,
  serviceTags: texts,
  type: text,
  interval: text,
  timeout: text,
});

const sessionSchema = z.object({
  id: z.string().min(1),
  name: text,
  node: z.string().min(1),
  behavior: z.enum(["release", "delete"]),
  lockDelayMs: z.number().min(0),
  ttl: text,
  nodeChecks: texts,
  serviceChecks: texts,
  lease: z.string().exactOptional(),
  ending: z.boolean().default(false),
});

const eventSchema = z.object({
  id: z.string().min(1),
  name: z.string(),
  payload: text,
  nodeFilter: text,
  serviceFilter: text,
  tagFilter: text,
});

const querySchema = z.object({
  id: z.string().min(1),
  name: text,
  session: text,
  template: z
    .object({ kind: z.literal("name_prefix_match"), regexp: text, removeEmptyTags: z.boolean() })
    .exactOptional(),
  service: z.string().min(1),
  connect: z.boolean().default(false),
  onlyPassing: z.boolean().default(false),
  tags: texts,
  nodeMeta: textMap,
  serviceMeta: textMap,
  ignoreCheckIds: texts,
  near: text,
  failoverNearestN: z.number().default(0),
  failoverDatacenters: texts,
  failoverTargets: z.array(z.object({ peer: text, datacenter: text })).default([]),
  dnsTtlMs: z.number().min(0).default(0),
});

const coordinateSchema = z.object({
  node: z.string().min(1),
  segment: text,
  coordinate: z.object({
    vector: z.array(z.number()).length(coordinateDimensions),
    error: z.number(),
    adjustment: z.number(),
    height: z.number(),
  }),
});

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function encodeNode(node: NodeRecord): Uint8Array {
  const { fabric } = node;
  return encode({
    name: node.name,
    id: node.id,
    address: node.address,
    datacenter: node.datacenter,
    meta: sorted(node.meta),
    taggedAddresses: sorted(node.taggedAddresses),
    ...(fabric && {
      fabric: {
        zone: fabric.zone,
        underlay: fabric.underlay,
        vtepMac: fabric.vtepMac,
        vxlanPort: fabric.vxlanPort,
        epoch: fabric.epoch,
      },
    }),
  });
}

export function encodeService(service: ServiceRecord): Uint8Array {
  return encode({
    node: service.node,
    id: service.id,
    name: service.name,
    kind: service.kind,
    tags: service.tags,
    address: service.address,
    port: service.port,
    ...(service.ports && {
      ports: service.ports.map(({ name, port, isDefault }) => ({ name, port, isDefault })),
    }),
    meta: sorted(service.meta),
    weights: { passing: service.weights.passing, warning: service.weights.warning },
    enableTagOverride: service.enableTagOverride,
    taggedAddresses: sorted(service.taggedAddresses),
    ...(service.proxy && { proxy: service.proxy }),
    ...(service.connectNative && { connectNative: true }),
  });
}

export function encodeCheck(check: CheckRecord): Uint8Array {
  return encode({
    node: check.node,
    id: check.id,
    name: check.name,
    status: check.status,
    notes: check.notes,
    output: check.output,
    serviceId: check.serviceId,
    serviceName: check.serviceName,
    serviceTags: check.serviceTags,
    type: check.type,
    interval: check.interval,
    timeout: check.timeout,
  });
}

/** Written once and ended once: there is nothing to compare it with, so the order of its fields is free. */
export function encodeSession(session: SessionRecord): Uint8Array {
  return encode(session);
}

export function decodeSession(bytes: Uint8Array): SessionRecord | undefined {
  return decode(sessionSchema, bytes);
}

export function encodeEvent(event: EventRecord): Uint8Array {
  return encode(event);
}

export function decodeEvent(bytes: Uint8Array): EventRecord | undefined {
  return decode(eventSchema, bytes);
}

export function encodeQuery(query: QueryRecord): Uint8Array {
  return encode(query);
}

export function decodeQuery(bytes: Uint8Array): QueryRecord | undefined {
  return decode(querySchema, bytes);
}

export function encodeCoordinate({ node, segment, coordinate }: CoordinateRecord): Uint8Array {
  const { vector, error, adjustment, height } = coordinate;
  return encode({ node, segment, coordinate: { vector, error, adjustment, height } });
}

export function decodeCoordinate(bytes: Uint8Array): CoordinateRecord | undefined {
  return decode(coordinateSchema, bytes);
}

export function decodeNode(bytes: Uint8Array): NodeRecord | undefined {
  return decode(nodeSchema, bytes);
}

export function decodeService(bytes: Uint8Array): ServiceRecord | undefined {
  return decode(serviceSchema, bytes);
}

export function decodeCheck(bytes: Uint8Array): CheckRecord | undefined {
  return decode(checkSchema, bytes);
}

function encode(record: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(record));
}

function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | undefined {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
  return schema.safeParse(json).data;
}

function sorted<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
