/**
 * `/v1/agent/health/service/…`: the state of local services as a status code, for load balancers that look at
 * nothing else: 200 passing, 429 warning, 503 critical or in maintenance, 404 not here.
 */

import {
  type CheckRecord,
  isMaintenanceCheck,
  type ServiceRecord,
  worstStatus,
} from "../../registry/index.ts";
import type { AgentView } from "../access/guarded-agent.ts";
import type { AgentBackend, SelfInfo } from "../agent/agent-backend.ts";
import { agentCheckJson, agentServiceJson } from "../json/consul-json.ts";
import { refuseUnsupported } from "../read-mode.ts";
import { plainText } from "../request.ts";
import { argument, type Call, json, type Route } from "../route.ts";

type Aggregated = "passing" | "warning" | "critical" | "maintenance";

const statusCodes = { passing: 200, warning: 429, critical: 503, maintenance: 503 } as const;
/** From best to worst. */
const order: readonly Aggregated[] = ["passing", "warning", "critical", "maintenance"];

export function agentHealthRoutes(agentOf: (call: Call) => AgentView, self: SelfInfo): readonly Route[] {
  const stateOf = (agent: AgentBackend, service: ServiceRecord) => {
    const checks = agent.checks().filter(({ serviceId }) => serviceId === "" || serviceId === service.id);
    return { service, checks, status: aggregated(checks) };
  };
  const shown = ({ service, checks, status }: ReturnType<typeof stateOf>) => ({
    AggregatedStatus: status,
    Service: agentServiceJson(service, self.datacenter),
    Checks: checks.map(agentCheckJson),
  });

  const byId = (call: Call) => {
    refuseUnsupported(call.query);
    const id = argument(call, "Missing serviceID");
    const agent = agentOf(call);
    const service = agent.service(id);
    if (!service) {
      if (isText(call)) return plainText(404, `ServiceId ${id} not found`);
      return json(call, { AggregatedStatus: "critical", Service: null, Checks: [] }, {}, 404);
    }
    const state = stateOf(agent, service);
    if (isText(call)) return plainText(statusCodes[state.status], state.status);
    return json(call, shown(state), {}, statusCodes[state.status]);
  };

  /** The worst of all its instances decides. */
  const byName = (call: Call) => {
    refuseUnsupported(call.query);
    const name = argument(call, "Missing service Name");
    call.rights().assert("service", name, "read");
    const agent = agentOf(call);
    const states = agent
      .services()
      .filter((one) => one.name === name)
      .map((one) => stateOf(agent, one));
    if (states.length === 0)
      return isText(call) ? plainText(404, `ServiceName ${name} Not Found`) : json(call, [], {}, 404);
    const worst = order.findLast((status) => states.some((state) => state.status === status)) ?? "passing";
    if (isText(call)) return plainText(statusCodes[worst], worst);
    return json(call, states.map(shown), {}, statusCodes[worst]);
  };

  return [
    { path: "/v1/agent/health/service/id/*", methods: { GET: byId } },
    { path: "/v1/agent/health/service/name/*", methods: { GET: byName } },
  ];
}

function aggregated(checks: readonly CheckRecord[]): Aggregated {
  return checks.some(isMaintenanceCheck) ? "maintenance" : worstStatus(checks);
}

function isText({ query, request }: Call): boolean {
  return query.get("format") === "text" || String(request.headers["accept"] ?? "").startsWith("text/plain");
}
