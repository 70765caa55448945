/**
 * The view of a name in prepared queries: which query answers for it (any of them may, so all are watched), and
 * what that one finds. Order is not part of a view: whoever holds it sorts, by the coordinates that it carries
 * when the query asks for nearness.
 */
import {
  type Coordinate,
  type QueryEntry,
  queryTopic,
  type RegistryReads,
  selectInstances,
  type Topic,
} from "../../../registry/index.ts";
import type { QueryViewItem } from "../../view-items.ts";
import { type Items, serviceItems } from "./service-items.ts";

export interface ViewReader {
  topics(): readonly Topic[];
  items(): Items;
}

export function queryReader(registry: RegistryReads, name: string): ViewReader {
  const coordinateOf = (node: string): Coordinate | undefined =>
    registry.coordinatesOfNode(node)[0]?.coordinate;
  const far = serviceItems();
  const near = serviceItems(coordinateOf);
  return {
    topics: () => {
      const query = registry.resolveQuery(name);
      const topics: Topic[] = [{ kind: "queries" }];
      if (query) topics.push(queryTopic(query));
      if (query && query.near !== "") topics.push({ kind: "coordinates" });
      return topics;
    },
    items: () => {
      const query = registry.resolveQuery(name);
      if (!query) return new Map();
      const found = selectInstances(registry, query);
      const item = JSON.stringify(itemOf(registry, query, coordinateOf));
      return new Map([["query", item], ...(query.near === "" ? far : near)(found)]);
    },
  };
}

function itemOf(
  registry: RegistryReads,
  { service, dnsTtlMs, near }: QueryEntry,
  coordinateOf: (node: string) => Coordinate | undefined,
): QueryViewItem {
  const node = near.startsWith("_") ? undefined : registry.node(near)?.name;
  const origin = node === undefined ? undefined : coordinateOf(node);
  return {
    service,
    ttlSeconds: Math.floor(dnsTtlMs / 1000),
    near: node ?? near,
    ...(origin && { origin }),
  };
}
