/** `/v1/status/…` and `/v1/agent/members`: who serves here. Consul's port 8300 is shown because clients parse it. */
import type { SelfInfo } from "../agent/agent-backend.ts";
import { marked, type ReadContext } from "../blocking.ts";
import { type Call, json, type Route } from "../route.ts";

const serverPort = 8300;
const aliveStatus = 1;
const failedStatus = 4;

export function serverAddress({ address }: SelfInfo): string {
  return address.includes(":") ? `[${address}]:${serverPort}` : `${address}:${serverPort}`;
}

export function statusRoutes(context: ReadContext, self: SelfInfo): readonly Route[] {
  const { registry } = context;
  const address = serverAddress(self);
  const leader = (call: Call) => json(call, registry.contact().following ? address : "");
  const peers = (call: Call) => json(call, [address]);
  const members = (call: Call) => {
    const reads = context.reads(call);
    const shown = json(
      call,
      reads.nodes().map((node) => ({
        Name: node.name,
        Addr: node.address,
        Port: 8301,
        Tags: { dc: node.datacenter, id: node.id, role: node.name === self.node ? "consul" : "node" },
        Status: !node.fabric || reads.isLive(node.name) ? aliveStatus : failedStatus,
        ProtocolMin: 1,
        ProtocolMax: 5,
        ProtocolCur: 2,
        DelegateMin: 2,
        DelegateMax: 5,
        DelegateCur: 4,
      })),
    );
    return marked(shown, reads);
  };
  return [
    { path: "/v1/status/leader", methods: { GET: leader } },
    { path: "/v1/status/peers", methods: { GET: peers } },
    { path: "/v1/agent/members", methods: { GET: members } },
  ];
}
