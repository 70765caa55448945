/**
 * Sorting by nearness to a node. What has no coordinates comes last, equals stay as they were; without coordinates
 * of the node that is to be near, nothing is sorted (Consul, "Network coordinates").
 */
import { isIp, parseIp } from "../../addr/index.ts";
import type { CoordinateEntry } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import { distanceSeconds } from "./coordinate.ts";

/** Who asks: the node whose agent was asked, and the client's address. */
export interface QuerySource {
  readonly node?: string;
  readonly ip?: string;
}

/** The node that `near` means; undefined when there is none to be near to. */
export function sourceNode(
  registry: Pick<RegistryReads, "node" | "atAddress">,
  near: string,
  source: QuerySource,
): string | undefined {
  if (near === "") return undefined;
  if (near === "_agent") return source.node;
  if (near !== "_ip") return registry.node(near)?.name;
  if (source.ip === undefined || !isIp(source.ip)) return undefined;
  const { nodes, services } = registry.atAddress(parseIp(source.ip));
  return nodes[0]?.name ?? services[0]?.node.name;
}

/** The node itself is nearest to itself, whatever is known of it. */
export function nearestFirst<T>(
  registry: Pick<RegistryReads, "coordinatesOfNode">,
  near: string,
  items: readonly T[],
  nodeOf: (item: T) => string,
): T[] {
  const origin = registry.coordinatesOfNode(near);
  const own = near.toLowerCase();
  const distances = new Map<string, number>();
  const distanceTo = (node: string) => {
    const known = distances.get(node);
    if (known !== undefined) return known;
    const distance = node.toLowerCase() === own ? -1 : between(origin, registry.coordinatesOfNode(node));
    distances.set(node, distance);
    return distance;
  };
  const keyed = items.map((item) => ({ item, distance: distanceTo(nodeOf(item)) }));
  // Infinity minus Infinity is NaN, which is no order.
  keyed.sort((a, b) => (a.distance === b.distance ? 0 : a.distance - b.distance));
  return keyed.map(({ item }) => item);
}

/** Seconds, by the first segment that both are in. */
function between(from: readonly CoordinateEntry[], to: readonly CoordinateEntry[]): number {
  for (const { segment, coordinate } of from) {
    const other = to.find((one) => one.segment === segment);
    if (other) return distanceSeconds(coordinate, other.coordinate);
  }
  return Number.POSITIVE_INFINITY;
}
