/** What Heddle's own API answers, as schemas; the functions make them of what the registry holds. */
import * as z from "zod";
import {
  type CheckEntry,
  type KvEntry,
  type NodeEntry,
  type ServiceInstance,
  worstStatus,
} from "../../registry/index.ts";
import type { FabricNode } from "../fabric-backend.ts";

/** Schemas that stand in the document by name. */
export const models = z.registry<{ id: string; description?: string }>();

const revision = z.int().min(0);
const texts = z.record(z.string(), z.string());
const status = z.enum(["passing", "warning", "critical"]);

export const errorShape = z
  .strictObject({ code: z.string(), message: z.string(), details: z.record(z.string(), z.unknown()) })
  .register(models, { id: "Error", description: "Codes are explained in docs/errors.md." });

export const kvShape = z
  .strictObject({
    key: z.string(),
    value: z.base64(),
    flags: z.string().regex(/^\d+$/).describe("Unsigned 64-bit number in decimal."),
    lockIndex: z.int(),
    session: z.string().exactOptional(),
    ttlMs: z.int().exactOptional().describe("It is gone so long after it was written or renewed."),
    createRevision: revision,
    modifyRevision: revision,
  })
  .register(models, { id: "KvEntry" });

export const nodeShape = z
  .strictObject({
    name: z.string(),
    id: z.string(),
    address: z.string(),
    alive: z.boolean(),
    zone: z.string().exactOptional(),
    underlay: z.array(z.string()),
    epoch: z.int().exactOptional(),
    meta: texts,
  })
  .register(models, { id: "Node" });

export const checkShape = z
  .strictObject({
    node: z.string(),
    id: z.string(),
    name: z.string(),
    status,
    output: z.string(),
    notes: z.string(),
    type: z.string(),
    serviceId: z.string().describe('"" for a check of the node.'),
    serviceName: z.string(),
  })
  .register(models, { id: "Check" });

export const instanceShape = z
  .strictObject({
    node: z.string(),
    id: z.string(),
    name: z.string(),
    address: z.string().describe("Its own, or else that of its node."),
    port: z.int().describe("Its default, if it has several."),
    ports: z
      .array(z.strictObject({ name: z.string(), port: z.int(), isDefault: z.boolean() }))
      .exactOptional()
      .describe("Where it has several."),
    tags: z.array(z.string()),
    meta: texts,
    weights: z.strictObject({ passing: z.int(), warning: z.int() }),
    status: status.describe("The worst of its checks and of those of its node."),
    checks: z.array(z.strictObject({ id: z.string(), name: z.string(), status, output: z.string() })),
  })
  .register(models, { id: "Instance" });

export type KvShape = z.infer<typeof kvShape>;
export type CheckShape = z.infer<typeof checkShape>;
export type InstanceShape = z.infer<typeof instanceShape>;

export function kvOf({ key, value, flags, lockIndex, session, ttlMs, ...entry }: KvEntry): KvShape {
  return {
    key,
    value: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64"),
    flags: String(flags),
    lockIndex,
    ...(session !== undefined && { session }),
    ...(ttlMs !== undefined && { ttlMs }),
    createRevision: entry.createIndex,
    modifyRevision: entry.modifyIndex,
  };
}

export function nodeOf({ name, id, address, meta, fabric }: NodeEntry, alive: boolean): FabricNode {
  return {
    name,
    id,
    address,
    alive,
    meta,
    underlay: fabric?.underlay ?? [],
    ...(fabric && { zone: fabric.zone, epoch: fabric.epoch }),
  };
}

export function checkOf(check: CheckEntry): CheckShape {
  const { node, id, name, status: state, output, notes, type, serviceId, serviceName } = check;
  return { node, id, name, status: state, output, notes, type, serviceId, serviceName };
}

export function instanceOf({ node, service, checks }: ServiceInstance): InstanceShape {
  const { id, name, address, port, ports, tags, meta, weights } = service;
  return {
    node: node.name,
    id,
    name,
    address: address || node.address,
    port,
    ...(ports && { ports: ports.map((each) => ({ ...each })) }),
    tags: [...tags],
    meta: { ...meta },
    weights: { ...weights },
    status: worstStatus(checks),
    checks: checks.map((check) => ({
      id: check.id,
      name: check.name,
      status: check.status,
      output: check.output,
    })),
  };
}
