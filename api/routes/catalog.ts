/** `/v1/catalog/…`: what is registered, whether it is healthy or not. */
import type { ServiceInstance } from "../../registry/index.ts";
import { blockingRead, type ReadContext } from "../blocking.ts";
import { catalogServiceJson, nodeJson, serviceJson } from "../consul-json.ts";
import { hasTags, matchesMeta, nodeMetaOf } from "../instance-filter.ts";
import { argument, type Call, json, type Route } from "../route.ts";

export function catalogRoutes(context: ReadContext): readonly Route[] {
  const { registry } = context;

  const services = (call: Call) =>
    blockingRead(context, call, { kind: "services" }, (headers) => {
      const meta = nodeMetaOf(call.query);
      const names = [...registry.serviceNames()];
      const shown =
        meta.length === 0 ? names : names.flatMap(([name]) => tagsOn(name, registry.service(name), meta));
      return json(call, Object.fromEntries(shown), headers);
    });

  const service = (call: Call) => {
    const name = argument(call, "Missing service name");
    return blockingRead(context, call, { kind: "service", name }, (headers) => {
      const meta = nodeMetaOf(call.query);
      const tags = call.query.all("tag");
      const found = registry
        .service(name)
        .filter((instance) => hasTags(instance.service, tags) && matchesMeta(instance.node, meta));
      return json(call, found.map(catalogServiceJson), headers);
    });
  };

  const nodes = (call: Call) =>
    blockingRead(context, call, { kind: "nodes" }, (headers) => {
      const meta = nodeMetaOf(call.query);
      return json(
        call,
        registry
          .nodes()
          .filter((node) => matchesMeta(node, meta))
          .map(nodeJson),
        headers,
      );
    });

  /** Consul answers null, not 404, for a node that it does not know. */
  const node = (call: Call) => {
    const name = argument(call, "Missing node name");
    return blockingRead(context, call, nodeTopic(context, name), (headers) => {
      const found = registry.node(name);
      const held = found && registry.servicesOfNode(found.name);
      const services = Object.fromEntries((held ?? []).map((one) => [one.id, serviceJson(one)]));
      return json(call, found ? { Node: nodeJson(found), Services: services } : null, headers);
    });
  };

  const nodeServices = (call: Call) => {
    const name = argument(call, "Missing node name");
    return blockingRead(context, call, nodeTopic(context, name), (headers) => {
      const found = registry.node(name);
      const services = found ? registry.servicesOfNode(found.name).map(serviceJson) : [];
      return json(call, { Node: found ? nodeJson(found) : null, Services: services }, headers);
    });
  };

  return [
    {
      path: "/v1/catalog/datacenters",
      methods: { GET: (call) => json(call, [registry.datacenter]) },
    },
    { path: "/v1/catalog/services", methods: { GET: services } },
    { path: "/v1/catalog/service/*", methods: { GET: service } },
    { path: "/v1/catalog/nodes", methods: { GET: nodes } },
    { path: "/v1/catalog/node/*", methods: { GET: node } },
    { path: "/v1/catalog/node-services/*", methods: { GET: nodeServices } },
  ];
}

/** A node asked for by its id moves under its name. */
export function nodeTopic({ registry }: ReadContext, nameOrId: string) {
  return { kind: "node", name: registry.node(nameOrId)?.name ?? nameOrId } as const;
}

function tagsOn(
  name: string,
  instances: readonly ServiceInstance[],
  meta: readonly (readonly [string, string])[],
): [string, string[]][] {
  const found = instances.filter(({ node, service }) => service.name === name && matchesMeta(node, meta));
  return found.length === 0
    ? []
    : [[name, [...new Set(found.flatMap(({ service }) => service.tags))].sort()]];
}
