/**
 * The containers of this node's Docker Engine in the catalog: the registrar over the agent's own registrations.
 * Started before a server is spoken to, so that what a crash left registered is judged before anybody hears of it.
 */
import type { Ip } from "../../addr/index.ts";
import type { AgentBackend, ComponentStatus } from "../../api/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { NodeIpam } from "../../ipam/index.ts";
import { type EngineClient, Registrar } from "../../plugins/index.ts";
import type { Log } from "../process/log.ts";
import type { Teardown } from "../process/teardown.ts";

export interface ContainersOptions {
  readonly engine: EngineClient;
  readonly node: string;
  readonly nodeAddress: Ip;
  readonly registry: AgentBackend;
  readonly ipam: NodeIpam;
  readonly clock: Clock;
  readonly log: Log;
}

/** Answers what `status` shows of it. */
export async function followContainers(
  { engine, node, nodeAddress, registry, ipam, clock, log }: ContainersOptions,
  teardown: Teardown,
): Promise<() => ComponentStatus> {
  const registrar = new Registrar({
    engine,
    registry: {
      services: () => registry.services(),
      registerService: (definition, options) => registry.registerService(definition, options),
      deregisterService: (id) => registry.deregisterService(id),
      setCheck: (id, status, output) => registry.setCheck(id, status, output),
    },
    networkOf: (ip) => ipam.leaseAt(ip)?.network,
    node,
    nodeAddress,
    clock,
    log: (level, message, details) => log[level](details, `docker: ${message}`),
  });
  teardown.add("containers", () => registrar.stop());
  await registrar.start();
  return () => containersComponent(registrar);
}

function containersComponent(registrar: Registrar): ComponentStatus {
  const status = registrar.status();
  const { engine, socketPath, containers, leftOut, registrations, problems, problemCount, problem } = status;
  const counted = `${containers} containers, ${registrations} services and names`;
  const [first] = problems;
  const flaws = first ? `; ${problemCount} problems, first: ${first.container}: ${first.problem}` : "";
  const summary = {
    connected: `${socketPath}: ${counted}${flaws}`,
    lost: `${socketPath} is lost (${problem ?? "it does not answer"}); kept: ${counted}`,
    absent: `no engine at ${socketPath}`,
  }[engine];
  const degraded = engine === "lost" || problemCount > 0 || leftOut > 0;
  return {
    name: "docker",
    state: degraded ? "degraded" : "ok",
    summary,
    details: { engine, containers, leftOut, registrations, problems, problem },
  };
}
