/** What clients ask of the agent as a process: figures of its own, and a reload, of which it has nothing to do. */
import type { Clock } from "../../clock/index.ts";
import type { AgentBackend, SelfInfo } from "../agent/agent-backend.ts";
import { badRequest } from "../query.ts";
import { empty, plainText } from "../request.ts";
import { type Call, json, type Route } from "../route.ts";

export function agentProcessRoutes(agent: AgentBackend, { node }: SelfInfo, clock: Clock): readonly Route[] {
  const metrics = (call: Call) => {
    call.rights().assert("agent", node, "read");
    const gauges = gaugesOf(agent);
    const format = call.query.get("format");
    if (format === "prometheus") return plainText(200, prometheus(gauges));
    if (format !== "") throw badRequest(`Invalid format ${JSON.stringify(format)}: "prometheus" or nothing`);
    const [date, time = ""] = new Date(clock.wallMs()).toISOString().split("T");
    return json(call, {
      Timestamp: `${date} ${time.slice(0, 8)} +0000 UTC`,
      Gauges: gauges.map(([Name, Value]) => ({ Name, Value, Labels: {} })),
      Points: [],
      Counters: [],
      Samples: [],
    });
  };
  const reload = (call: Call) => {
    call.rights().assert("agent", node, "write");
    return empty();
  };
  return [
    { path: "/v1/agent/metrics", methods: { GET: metrics } },
    { path: "/v1/agent/reload", methods: { PUT: reload } },
  ];
}

function gaugesOf(agent: AgentBackend): readonly (readonly [name: string, value: number])[] {
  const checks = agent.checks();
  const { heapUsed, rss } = process.memoryUsage();
  return [
    ["heddle.agent.checks", checks.length],
    ["heddle.agent.checks.critical", checks.filter(({ status }) => status === "critical").length],
    ["heddle.agent.services", agent.services().length],
    ["heddle.runtime.heap_bytes", heapUsed],
    ["heddle.runtime.rss_bytes", rss],
  ];
}

function prometheus(gauges: readonly (readonly [string, number])[]): string {
  return gauges
    .map(([name, value]) => [name.replaceAll(".", "_"), value] as const)
    .map(([name, value]) => `# TYPE ${name} gauge\n${name} ${value}\n`)
    .join("");
}
