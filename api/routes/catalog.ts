/** `/v1/catalog/…`: what is registered, whether it is healthy or not. */
import { containerNameKind, type NodeEntry, type ServiceInstance } from "../../registry/index.ts";
import type { ContentReads } from "../access/guarded-reads.ts";
import { blockingList, blockingRead, filterOf, type ReadContext } from "../blocking.ts";
import { hasTags, matchesMeta, nodeMetaOf } from "../instance-filter.ts";
import { catalogServiceJson, nodeJson, serviceJson } from "../json/consul-json.ts";
import { sortedNear } from "../near.ts";
import { argument, type Call, json, type Route } from "../route.ts";

type Services = readonly ReturnType<typeof serviceJson>[];

export function catalogRoutes(context: ReadContext): readonly Route[] {
  const { registry } = context;

  /** Names with their tags; where instances are chosen among, those of the chosen ones. */
  const services = (call: Call) => {
    const meta = nodeMetaOf(call.query);
    const filter = filterOf(call.query);
    const isFiltered = call.query.get("filter") !== undefined;
    const isShown = (instance: ServiceInstance) =>
      matchesMeta(instance.node, meta) && filter(catalogServiceJson(instance));
    const answer = (headers: Record<string, string>, reads: ContentReads) => {
      const names = [...reads.serviceNames()];
      const shown =
        meta.length === 0 && !isFiltered
          ? names
          : names.flatMap(([name]) => tagsOn(name, reads.service(name).filter(isShown)));
      return json(call, Object.fromEntries(shown), headers);
    };
    return blockingRead(context, call, { kind: isFiltered ? "instances" : "services" }, answer, ["filter"]);
  };

  const instances = (kind: "service" | "connect") => (call: Call) => {
    const name = argument(call, "Missing service name");
    const meta = nodeMetaOf(call.query);
    const tags = call.query.all("tag");
    return blockingList(context, call, { kind, name }, (reads) => {
      const found = reads[kind](name).filter(
        (instance) => hasTags(instance.service, tags) && matchesMeta(instance.node, meta),
      );
      return sortedNear(context, reads, call, found, ({ node }) => node.name).map(catalogServiceJson);
    });
  };

  const nodes = (call: Call) => {
    const meta = nodeMetaOf(call.query);
    return blockingList(context, call, { kind: "nodes" }, (reads) => {
      const found = reads.nodes().filter((node) => matchesMeta(node, meta));
      return sortedNear(context, reads, call, found, ({ name }) => name).map(nodeJson);
    });
  };

  /** With the node's services, filtered: `filter` chooses among those. */
  const ofNode = (call: Call, answer: (node: NodeEntry | undefined, services: Services) => object | null) => {
    const name = argument(call, "Missing node name");
    const filter = filterOf(call.query);
    const read = (headers: Record<string, string>, reads: ContentReads) => {
      const found = reads.node(name);
      const held = found ? reads.servicesOfNode(found.name) : [];
      const services = held
        .filter(({ kind }) => kind !== containerNameKind)
        .map(serviceJson)
        .filter(filter);
      return json(call, answer(found, services), headers);
    };
    return blockingRead(context, call, nodeTopic(context.reads(call), name), read, ["filter"]);
  };

  /** Consul answers null, not 404, for a node that it does not know. */
  const node = (call: Call) =>
    ofNode(call, (found, services) =>
      found
        ? { Node: nodeJson(found), Services: Object.fromEntries(services.map((one) => [one.ID, one])) }
        : null,
    );

  const nodeServices = (call: Call) =>
    ofNode(call, (found, services) =>
      found ? { Node: nodeJson(found), Services: services } : { Node: null, Services: null },
    );

  return [
    {
      path: "/v1/catalog/datacenters",
      methods: { GET: (call) => json(call, [registry.datacenter]) },
    },
    { path: "/v1/catalog/services", methods: { GET: services } },
    { path: "/v1/catalog/service/*", methods: { GET: instances("service") } },
    { path: "/v1/catalog/connect/*", methods: { GET: instances("connect") } },
    { path: "/v1/catalog/nodes", methods: { GET: nodes } },
    { path: "/v1/catalog/node/*", methods: { GET: node } },
    { path: "/v1/catalog/node-services/*", methods: { GET: nodeServices } },
  ];
}

/** A node asked for by its id moves under its name. */
export function nodeTopic(reads: ContentReads, nameOrId: string) {
  return { kind: "node", name: reads.node(nameOrId)?.name ?? nameOrId } as const;
}

function tagsOn(name: string, instances: readonly ServiceInstance[]): [string, string[]][] {
  const found = instances.filter(({ service }) => service.name === name);
  return found.length === 0
    ? []
    : [[name, [...new Set(found.flatMap(({ service }) => service.tags))].sort()]];
}
