/**
 * What a prepared query answers, of the instances of its service: those that may be used, with the tags and the
 * metadata that it asks for, the nearest first or in random order.
 *
 * There is one datacenter, as in a Consul that is joined with no other: datacenters to fail over to are unknown
 * and are passed over without counting as a try; a peer counts as one that could not be reached.
 */
import { nearestFirst, type QuerySource, sourceNode } from "../coordinate/nearness.ts";
import type { QueryEntry, ServiceInstance } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import type { Topic } from "../wait/topic.ts";

export interface QueryAnswer {
  readonly instances: readonly ServiceInstance[];
  /** Places that were tried in vain after this datacenter. */
  readonly failovers: number;
}

/** What the instances come from. */
export function queryTopic({
  service,
  connect,
}: QueryEntry): Extract<Topic, { kind: "service" | "connect" }> {
  return { kind: connect ? "connect" : "service", name: service };
}

/** In order of node and id. */
export function selectInstances(
  registry: Pick<RegistryReads, "service" | "connect">,
  query: QueryEntry,
): ServiceInstance[] {
  const { service, connect } = query;
  const [without, within] = [query.tags.filter(isNot), query.tags.filter((tag) => !isNot(tag))];
  return (connect ? registry.connect(service) : registry.service(service)).filter((instance) => {
    const tags = instance.service.tags.map((tag) => tag.toLowerCase());
    const counted = instance.checks.filter(({ id }) => !query.ignoreCheckIds.includes(id));
    return (
      counted.every(({ status }) => status === "passing" || (!query.onlyPassing && status === "warning")) &&
      within.every((tag) => tags.includes(tag.toLowerCase())) &&
      !without.some((tag) => tags.includes(tag.slice(1).toLowerCase())) &&
      holds(instance.node.meta, query.nodeMeta) &&
      holds(instance.service.meta, query.serviceMeta)
    );
  });
}

/** `near` takes the place of the query's own. */
export function runQuery(
  registry: Pick<RegistryReads, "service" | "connect" | "node" | "atAddress" | "coordinatesOfNode">,
  query: QueryEntry,
  options: { readonly near: string; readonly source: QuerySource; readonly random: () => number },
): QueryAnswer {
  const found = shuffled(selectInstances(registry, query), options.random);
  const near = sourceNode(registry, options.near || query.near, options.source);
  return {
    instances: near === undefined ? found : nearestFirst(registry, near, found, ({ node }) => node.name),
    failovers: found.length > 0 ? 0 : query.failoverTargets.filter(({ peer }) => peer !== "").length,
  };
}

function isNot(tag: string): boolean {
  return tag.startsWith("!");
}

function holds(meta: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(meta, key) && meta[key] === value);
}

/** Fisher and Yates. */
function shuffled<T>(items: T[], random: () => number): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other] as T, items[last] as T];
  }
  return items;
}
