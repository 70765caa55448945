/** Entries of the registry in the shapes of Consul's answers. Lists and maps are never null. */
import type {
  CheckEntry,
  CheckRecord,
  NamedPort,
  NodeEntry,
  ServiceEntry,
  ServiceInstance,
  ServiceRecord,
  TaggedAddress,
} from "../../registry/index.ts";

export function nodeJson(node: NodeEntry) {
  return {
    ID: node.id,
    Node: node.name,
    Address: node.address,
    Datacenter: node.datacenter,
    TaggedAddresses: node.taggedAddresses,
    Meta: node.meta,
    CreateIndex: node.createIndex,
    ModifyIndex: node.modifyIndex,
  };
}

/** Of the agent; it has no indexes. */
export function agentServiceJson(service: ServiceRecord, datacenter: string) {
  return {
    ...serviceFields(service),
    ...(service.proxy && { Proxy: proxyJson(service) }),
    ...(service.connectNative && { Connect: connectJson(service) }),
    Datacenter: datacenter,
  };
}

export function serviceJson(service: ServiceEntry) {
  return {
    ...serviceFields(service),
    Proxy: proxyJson(service),
    Connect: connectJson(service),
    CreateIndex: service.createIndex,
    ModifyIndex: service.modifyIndex,
  };
}

export function checkJson(check: CheckEntry) {
  return { ...checkFields(check), CreateIndex: check.createIndex, ModifyIndex: check.modifyIndex };
}

export function agentCheckJson(check: CheckRecord) {
  return { ...checkFields(check), CreateIndex: 0, ModifyIndex: 0 };
}

/** `/v1/health/service` */
export function instanceJson({ node, service, checks }: ServiceInstance) {
  return { Node: nodeJson(node), Service: serviceJson(service), Checks: checks.map(checkJson) };
}

/** `/v1/catalog/service`: node and service side by side. */
export function catalogServiceJson({ node, service }: ServiceInstance) {
  return {
    ID: node.id,
    Node: node.name,
    Address: node.address,
    Datacenter: node.datacenter,
    TaggedAddresses: node.taggedAddresses,
    NodeMeta: node.meta,
    ServiceKind: service.kind,
    ServiceID: service.id,
    ServiceName: service.name,
    ServiceTags: service.tags,
    ServiceAddress: service.address,
    ...(Object.keys(service.taggedAddresses).length > 0 && {
      ServiceTaggedAddresses: taggedAddressesJson(service.taggedAddresses),
    }),
    ServiceWeights: { Passing: service.weights.passing, Warning: service.weights.warning },
    ServiceMeta: service.meta,
    ServicePort: service.port,
    ...(service.ports && { ServicePorts: service.ports.map(portJson) }),
    ServiceEnableTagOverride: service.enableTagOverride,
    ServiceProxy: proxyJson(service),
    ServiceConnect: connectJson(service),
    CreateIndex: service.createIndex,
    ModifyIndex: service.modifyIndex,
  };
}

function serviceFields(service: ServiceRecord) {
  return {
    ...(service.kind !== "" && { Kind: service.kind }),
    ID: service.id,
    Service: service.name,
    Tags: service.tags,
    Meta: service.meta,
    Port: service.port,
    ...(service.ports && { Ports: service.ports.map(portJson) }),
    Address: service.address,
    ...(Object.keys(service.taggedAddresses).length > 0 && {
      TaggedAddresses: taggedAddressesJson(service.taggedAddresses),
    }),
    Weights: { Passing: service.weights.passing, Warning: service.weights.warning },
    EnableTagOverride: service.enableTagOverride,
  };
}

function portJson({ name, port, isDefault }: NamedPort) {
  return { Name: name, Port: port, Default: isDefault };
}

function proxyJson({ proxy }: ServiceRecord) {
  return { Mode: "", MeshGateway: {}, Expose: {}, ...proxy };
}

function connectJson({ connectNative }: ServiceRecord) {
  return connectNative ? { Native: true } : {};
}

function checkFields(check: CheckRecord) {
  return {
    Node: check.node,
    CheckID: check.id,
    Name: check.name,
    Status: check.status,
    Notes: check.notes,
    Output: check.output,
    ServiceID: check.serviceId,
    ServiceName: check.serviceName,
    ServiceTags: check.serviceTags,
    Type: check.type,
    Interval: check.interval,
    Timeout: check.timeout,
    ExposedPort: 0,
    Definition: {},
  };
}

function taggedAddressesJson(tagged: Readonly<Record<string, TaggedAddress>>) {
  return Object.fromEntries(
    Object.entries(tagged).map(([name, { address, port }]) => [name, { Address: address, Port: port }]),
  );
}
