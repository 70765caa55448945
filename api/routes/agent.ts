/**
 * `/v1/agent/…`: registrations with the agent of this node. Writes are PUT; what old clients call by GET is
 * taken too (python-consul passes and deregisters checks that way).
 */
import { isFabricError } from "../../errors/index.ts";
import { type CheckStatus, containerNameKind, registryLimits } from "../../registry/index.ts";
import type { SelfInfo } from "../agent/agent-backend.ts";
import { type AgentWaitContext, contentHash, waitForOtherHash } from "../agent/agent-wait.ts";
import { filterOf } from "../blocking.ts";
import { BodyFields } from "../body/body-fields.ts";
import { readCheck, readService, readStatus } from "../body/service-body.ts";
import { agentCheckJson, agentServiceJson } from "../json/consul-json.ts";
import { badRequest } from "../query.ts";
import { refuseUnsupported } from "../read-mode.ts";
import { type ApiResponse, empty, plainText } from "../request.ts";
import { argument, type Call, json, type Route, type RouteHandler } from "../route.ts";

/** Patroni reads it before it makes its session. */
const sessionTtlMinNs = registryLimits.sessionTtlMinMs * 1e6;

export function agentRoutes(context: AgentWaitContext, self: SelfInfo): readonly Route[] {
  const { agentOf } = context;

  const services = (call: Call) => {
    refuseUnsupported(call.query, ["filter"]);
    const shown = agentOf(call)
      .services()
      .filter(({ kind }) => kind !== containerNameKind)
      .map((one) => agentServiceJson(one, self.datacenter));
    return json(call, Object.fromEntries(shown.filter(filterOf(call.query)).map((one) => [one.ID, one])));
  };

  const service = async (call: Call) => {
    refuseUnsupported(call.query, ["hash"]);
    const id = argument(call, "Missing service ID");
    const shown = () => {
      const found = agentOf(call).service(id);
      const content = found && agentServiceJson(found, self.datacenter);
      return content && { ...content, ContentHash: contentHash(content) };
    };
    await waitForOtherHash(context, call, () => shown()?.ContentHash);
    const now = shown();
    if (!now) return plainText(404, `unknown service ID: ${id}`);
    return json(call, now, { "X-Consul-ContentHash": now.ContentHash });
  };

  const checks = (call: Call) => {
    refuseUnsupported(call.query, ["filter"]);
    const shown = agentOf(call).checks().map(agentCheckJson).filter(filterOf(call.query));
    return json(call, Object.fromEntries(shown.map((one) => [one.CheckID, one])));
  };

  const registerService = async (call: Call) => {
    refuseUnsupported(call.query);
    const replaceChecks = call.query.flag(
      "replace-existing-checks",
      "Invalid value for ?replace-existing-checks",
    );
    await agentOf(call).registerService(readService(BodyFields.parse(call.request.body)), { replaceChecks });
    return empty();
  };

  const deregisterService = async (call: Call) => {
    const id = argument(call, "Missing service ID");
    return known("service", id, () => agentOf(call).deregisterService(id));
  };

  const registerCheck = async (call: Call) => {
    refuseUnsupported(call.query);
    const body = BodyFields.parse(call.request.body);
    if (!body.text("name")) throw badRequest("Missing check name");
    const serviceId = body.text("serviceid") ?? "";
    if (serviceId !== "" && !agentOf(call).service(serviceId))
      return plainText(404, `ServiceID "${serviceId}" does not exist`);
    await agentOf(call).registerCheck(readCheck(body), serviceId);
    return empty();
  };

  const deregisterCheck = (call: Call) => {
    const id = argument(call, "Missing check ID");
    return known("check", id, () => agentOf(call).deregisterCheck(id));
  };

  const set = (status: CheckStatus) => (call: Call) => {
    const id = argument(call, "Missing check ID");
    return known("check", id, () => agentOf(call).setCheck(id, status, call.query.get("note")));
  };

  const update = (call: Call) => {
    const id = argument(call, "Missing check ID");
    const body = BodyFields.parse(call.request.body);
    const status = readStatus(body.text("status") ?? "");
    return known("check", id, () => agentOf(call).setCheck(id, status, body.text("output") ?? ""));
  };

  return [
    { path: "/v1/agent/services", methods: { GET: services } },
    { path: "/v1/agent/service/*", methods: { GET: service } },
    { path: "/v1/agent/checks", methods: { GET: checks } },
    { path: "/v1/agent/service/register", methods: { PUT: registerService } },
    { path: "/v1/agent/service/deregister/*", methods: putOrGet(deregisterService) },
    { path: "/v1/agent/check/register", methods: { PUT: registerCheck } },
    { path: "/v1/agent/check/deregister/*", methods: putOrGet(deregisterCheck) },
    { path: "/v1/agent/check/pass/*", methods: putOrGet(set("passing")) },
    { path: "/v1/agent/check/warn/*", methods: putOrGet(set("warning")) },
    { path: "/v1/agent/check/fail/*", methods: putOrGet(set("critical")) },
    { path: "/v1/agent/check/update/*", methods: { PUT: update } },
  ];
}

export function selfRoute(self: SelfInfo): Route {
  const answer = (call: Call) => {
    call.rights().assert("agent", self.node, "read");
    return json(call, {
      Config: {
        Datacenter: self.datacenter,
        PrimaryDatacenter: self.datacenter,
        NodeName: self.node,
        NodeID: self.id,
        Revision: "",
        Server: self.server,
        SessionTTLMin: sessionTtlMinNs,
        Version: self.version,
      },
      Stats: {},
      Member: {
        Name: self.node,
        Addr: self.address,
        Port: 8301,
        Tags: { dc: self.datacenter, id: self.id, role: self.server ? "consul" : "node" },
        Status: 1,
      },
      Meta: self.meta,
    });
  };
  return { path: "/v1/agent/self", methods: { GET: answer } };
}

function putOrGet(handler: RouteHandler): Route["methods"] {
  return { PUT: handler, GET: handler };
}

/** In the words that clients look for. */
async function known(
  what: "service" | "check",
  id: string,
  action: () => Promise<void>,
): Promise<ApiResponse> {
  try {
    await action();
    return empty();
  } catch (error) {
    const missing =
      isFabricError(error, "REGISTRY_SERVICE_NOT_FOUND") ||
      isFabricError(error, "REGISTRY_CHECK_NOT_FOUND") ||
      isFabricError(error, "HEALTH_CHECK_NOT_FOUND");
    if (!missing) throw error;
    const text = `Unknown ${what} ID ${JSON.stringify(id)}. Ensure that the ${what} ID is passed, not the ${what} name.`;
    return plainText(404, text);
  }
}
