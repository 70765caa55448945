/** Writes coordinates beneath their node, and only what has changed. */
import { FabricError } from "../../errors/index.ts";
import type { CatalogWriter } from "../catalog/catalog-writer.ts";
import { encodeCoordinate } from "../codec.ts";
import { coordinateKey } from "../keys.ts";
import type { CoordinateRecord } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import type { WriteResult } from "../writes.ts";
import { isCoordinate } from "./coordinate.ts";

export const segmentsPerNodeMax = 8;
export const segmentBytesMax = 128;

/** @throws REGISTRY_INVALID, REGISTRY_LIMIT, REGISTRY_NODE_NOT_FOUND */
export async function writeCoordinate(
  catalog: CatalogWriter,
  registry: RegistryReads,
  record: CoordinateRecord,
): Promise<WriteResult> {
  const { segment } = record;
  if (!isCoordinate(record.coordinate)) throw new FabricError("REGISTRY_INVALID", "Invalid coordinate");
  if (Buffer.byteLength(segment) > segmentBytesMax || !segment.isWellFormed())
    throw new FabricError("REGISTRY_INVALID", `a segment has at most ${segmentBytesMax} bytes of UTF-8`);
  const node = registry.node(record.node)?.name ?? record.node;
  const held = registry.coordinatesOfNode(node);
  if (held.length >= segmentsPerNodeMax && !held.some((one) => one.segment === segment))
    throw new FabricError(
      "REGISTRY_LIMIT",
      `put a coordinate of node "${node}": it has ${segmentsPerNodeMax} segments already; use one of them`,
      { details: { limit: "segmentsPerNodeMax", max: segmentsPerNodeMax } },
    );
  const value = encodeCoordinate({ ...record, node });
  const same = held.find((one) => one.segment === segment);
  if (same && Buffer.compare(encodeCoordinate(same), value) === 0) return catalog.unchanged();
  return catalog.writeBelow(node, undefined, [{ op: "put", key: coordinateKey(node, segment), value }]);
}
