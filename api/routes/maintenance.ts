/**
 * Maintenance mode: a critical check that nothing runs, of the node or of one service, as in Consul. It is a
 * registration like any other: it survives a restart of the agent and is shown among the checks.
 */
import { isFabricError } from "../../errors/index.ts";
import { nodeMaintenanceCheck, serviceMaintenancePrefix } from "../../registry/index.ts";
import type { AgentBackend } from "../agent/agent-backend.ts";
import { badRequest } from "../query.ts";
import { refuseUnsupported } from "../read-mode.ts";
import { type ApiResponse, empty, plainText } from "../request.ts";
import { argument, type Call, type Route } from "../route.ts";

export function maintenanceRoutes(agentOf: (call: Call) => AgentBackend): readonly Route[] {
  const set = async (call: Call, kind: "node" | "service", serviceId: string): Promise<ApiResponse> => {
    refuseUnsupported(call.query);
    if (!call.query.has("enable")) throw badRequest("Missing value for enable");
    const enable = call.query.flag(
      "enable",
      `Invalid value for enable: ${JSON.stringify(call.query.get("enable"))}`,
    );
    const id = kind === "node" ? nodeMaintenanceCheck : serviceMaintenancePrefix + serviceId;
    const agent = agentOf(call);
    const isOn = agent.checks().some((check) => check.id === id);
    if (enable && !isOn)
      await agent.registerCheck(maintenanceCheck(id, kind, call.query.get("reason")), serviceId);
    else if (!enable && isOn) await turnOff(agent, id);
    return empty();
  };

  const service = (call: Call) => {
    const id = argument(call, "Missing service ID");
    if (
      !agentOf(call)
        .services()
        .some((one) => one.id === id)
    )
      return plainText(
        404,
        `Unknown service ID ${JSON.stringify(id)}. Ensure that the service ID is passed, not the service name.`,
      );
    return set(call, "service", id);
  };

  return [
    { path: "/v1/agent/maintenance", methods: { PUT: (call) => set(call, "node", "") } },
    { path: "/v1/agent/service/maintenance/*", methods: { PUT: service } },
  ];
}

function maintenanceCheck(id: string, kind: "node" | "service", reason: string) {
  const noReason = `Maintenance mode is enabled for this ${kind}, but no reason was provided. This is a default message.`;
  return {
    id,
    name: kind === "node" ? "Node Maintenance Mode" : "Service Maintenance Mode",
    notes: reason || noReason,
    status: "critical",
    probe: { kind: "none" },
  } as const;
}

async function turnOff(agent: AgentBackend, id: string): Promise<void> {
  try {
    await agent.deregisterCheck(id);
  } catch (error) {
    // Somebody else was faster.
    if (!isFabricError(error, "REGISTRY_CHECK_NOT_FOUND")) throw error;
  }
}
