/** The agent of this node as one token may see and change it: what guarded-reads and guarded-writes are of a server. */
import type { CheckRecord, Rights, ServiceRecord } from "../../registry/index.ts";
import type { AgentBackend } from "../agent/agent-backend.ts";

/** One service that is asked for by its id is refused where a list leaves it out, as Consul does. */
export interface AgentView extends AgentBackend {
  /** @throws REGISTRY_PERMISSION_DENIED */
  service(id: string): ServiceRecord | undefined;
}

/** For who may do everything. */
export function openAgent(agent: AgentBackend): AgentView {
  return { ...agent, service: (id) => agent.services().find((one) => one.id === id) };
}

/** Its writes @throws REGISTRY_PERMISSION_DENIED */
export function guardedAgent(agent: AgentBackend, node: string, rights: Rights): AgentView {
  const assertService = (id: string) => {
    const held = agent.services().find((service) => service.id === id);
    if (held) rights.assert("service", held.name, "write");
    return held;
  };
  const assertOwner = (serviceId: string) => {
    if (serviceId === "" || !assertService(serviceId)) rights.assert("node", node, "write");
  };
  const assertCheck = (id: string | undefined) => {
    const held = agent.checks().find((check) => check.id === id);
    if (held) assertOwner(held.serviceId);
  };
  return {
    service(id) {
      const held = agent.services().find((one) => one.id === id);
      if (held) rights.assert("service", held.name, "read");
      return held;
    },
    services: () => agent.services().filter(({ name }) => rights.allows("service", name, "read")),
    checks: () => agent.checks().filter((check: CheckRecord) => seesCheckOf(check)),
    onChange: (listener) => agent.onChange(listener),
    async registerService(definition, options) {
      rights.assert("service", definition.name, "write");
      assertService(definition.id ?? definition.name);
      for (const { id } of definition.checks ?? []) assertCheck(id);
      return agent.registerService(definition, options);
    },
    async deregisterService(id) {
      assertService(id);
      return agent.deregisterService(id);
    },
    async registerCheck(definition, serviceId) {
      assertOwner(serviceId);
      assertCheck(definition.id ?? definition.name);
      return agent.registerCheck(definition, serviceId);
    },
    async deregisterCheck(id) {
      assertCheck(id);
      return agent.deregisterCheck(id);
    },
    async setCheck(id, status, output) {
      assertCheck(id);
      return agent.setCheck(id, status, output);
    },
  };

  /** Whoever may read a service reads its checks; those of the node are the node's. */
  function seesCheckOf({ serviceName }: CheckRecord): boolean {
    return serviceName === ""
      ? rights.allows("node", node, "read")
      : rights.allows("service", serviceName, "read");
  }
}
