/** Mesos-DNS's HTTP interface of a server, over its registry. */
import type { MesosBackend } from "../../api/index.ts";
import { type DialectCatalog, dnsLimitDefaults, MesosDirectory, type MesosServers } from "../../dns/index.ts";
import { containerNameKind, type RegistryReads } from "../../registry/index.ts";
import { instanceOf } from "../names/view-catalog.ts";

export function mesosBackend(
  registry: RegistryReads,
  { domain, servers }: { readonly domain: string; readonly servers: MesosServers },
): MesosBackend {
  const directory = new MesosDirectory({
    domain,
    datacenter: registry.datacenter,
    catalog: registryCatalog(registry),
    serviceNames: () => [...registry.serviceNames().keys()],
    servers,
    health: { onlyPassing: false, panicThreshold: 0 },
    tasksMax: dnsLimitDefaults.mesosTasksMax,
  });
  return {
    domain,
    hosts: (name) => directory.hosts(name),
    services: (name) => directory.services(name),
    enumerate: () => directory.enumerate(),
  };
}

function registryCatalog(registry: RegistryReads): DialectCatalog {
  const nodeOf = (name: string) => {
    const node = registry.node(name);
    if (!node || node.name.toLowerCase() !== name.toLowerCase()) return undefined;
    return {
      name: node.name,
      up: !node.fabric || registry.isLive(node.name),
      addresses: [...new Set([node.address, ...(node.fabric?.underlay ?? [])])],
      meta: node.meta,
    };
  };
  return {
    service: (name) =>
      registry
        .service(name)
        .filter(({ service }) => service.kind !== containerNameKind)
        .map(instanceOf),
    node: nodeOf,
    nodes: () => registry.nodes().flatMap(({ name, fabric }) => (fabric ? (nodeOf(name) ?? []) : [])),
    keys: () => ({ values: new Map(), complete: true }),
  };
}
