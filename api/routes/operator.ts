/**
 * Consul's servers and consensus as far as Heddle has something true to say of them: one server
 * that answers, which leads whenever it follows its store.
 */
import type { SelfInfo } from "../agent/agent-backend.ts";
import type { ReadContext } from "../blocking.ts";
import { empty, plainText } from "../request.ts";
import { argument, type Call, json, type Route } from "../route.ts";
import { serverAddress } from "./status.ts";

export function operatorRoutes(context: ReadContext, self: SelfInfo): readonly Route[] {
  const { registry } = context;
  const address = serverAddress(self);

  const raft = (call: Call) => {
    call.rights().assert("operator", "", "read");
    const { following } = registry.contact();
    const server = { ID: self.id, Node: self.node, Address: address, Leader: following };
    const voting = { ProtocolVersion: "3", Voter: true, LastIndex: registry.index };
    return json(call, { Servers: [{ ...server, ...voting }], Index: registry.index });
  };

  const autopilot = (call: Call) => {
    call.rights().assert("operator", "", "read");
    const { following, lastContactMs } = registry.contact();
    const server = {
      ID: self.id,
      Name: self.node,
      Address: address,
      SerfStatus: "alive",
      Version: self.version,
      Leader: following,
      Voter: true,
      LastContact: `${lastContactMs}ms`,
      LastIndex: registry.index,
      Healthy: following,
    };
    // Clients look at the code alone.
    return json(
      call,
      { Healthy: following, FailureTolerance: 0, Servers: [server] },
      {},
      following ? 200 : 429,
    );
  };

  /** A node that is alive would only come back, and stays; one that is not leaves the catalog. */
  const forceLeave = async (call: Call) => {
    call.rights().assert("operator", "", "write");
    const name = argument(call, "Missing node name");
    const reads = context.reads(call);
    const node = reads.node(name);
    if (!node) return plainText(500, `agent: No node found with name '${name}'`);
    if (node.fabric && !reads.isLive(node.name)) await context.writes(call).removeNode(node.name);
    return empty();
  };

  return [
    { path: "/v1/operator/raft/configuration", methods: { GET: raft } },
    { path: "/v1/operator/autopilot/health", methods: { GET: autopilot } },
    { path: "/v1/agent/force-leave/*", methods: { PUT: forceLeave } },
  ];
}
