/**
 * The services of this node: what workloads registered, the checks that run for them, and the backend that
 * the API's agent routes use. A registration is in the journal and its checks are accepted before it is
 * answered; a check that this node refuses leaves the registration as it was.
 */
import type { AgentBackend, ApiHandler } from "../../api/index.ts";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import {
  type ContainerExec,
  type CheckDefinition as HealthCheck,
  HealthRunner,
  type StatusSink,
} from "../../health/index.ts";
import { AgentState, type CheckDefinition, type RegisteredCheck } from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";
import type { Log } from "../process/log.ts";
import { aliasSource } from "./aliases.ts";

export interface RegistrationsOptions {
  readonly node: string;
  /** The agent's journal. */
  readonly store: Store;
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads the first runs of checks. */
  readonly random?: () => number;
  readonly enableScripts: boolean;
  /** The API, where aliases learn of other nodes. */
  readonly ask: ApiHandler;
  /** The container engine of this node. */
  readonly exec?: ContainerExec;
  readonly log: Log;
}

export interface Registrations {
  readonly state: AgentState;
  readonly backend: AgentBackend;
  close(): Promise<void>;
}

export async function openRegistrations(options: RegistrationsOptions): Promise<Registrations> {
  const { node, store, clock, random = Math.random, enableScripts, ask, exec, log } = options;
  const state = await AgentState.open({
    store,
    node,
    onJournalError: (error) => log.error({ error }, "the status of a check could not be journaled"),
  });
  const sink: StatusSink = {
    report: (checkId, status, output) => state.setStatus(checkId, status, output),
    deregister: (serviceId) => {
      log.warn({ serviceId }, "service was critical for too long and is deregistered");
      state
        .deregisterService(serviceId)
        .catch((error: unknown) => log.error({ error, serviceId }, "deregister service"));
    },
  };
  const runner = new HealthRunner({
    clock,
    random,
    sink,
    enableScripts,
    aliases: aliasSource({ node, state, clock, ask }),
    ...(exec && { exec }),
  });
  const start = (check: RegisteredCheck) => {
    try {
      runner.put(runnable(check.record.id, check.record.serviceId, check.definition, check.record.status));
    } catch (error) {
      log.error({ error, check: check.record.id }, "check cannot run; it keeps its last status");
    }
  };
  state.checks().forEach(start);
  const unsubscribe = state.onChange(({ started, stopped }) => {
    for (const id of stopped) runner.remove(id);
    started.forEach(start);
  });
  return {
    state,
    backend: agentBackend(state, runner),
    close: async () => {
      unsubscribe();
      await runner.close();
    },
  };
}

function agentBackend(state: AgentState, runner: HealthRunner): AgentBackend {
  const accept = (check: CheckDefinition, serviceId: string) =>
    runner.assertAccepts(runnable(check.id ?? "new", serviceId, check));
  return {
    services: () => state.services(),
    checks: () => state.checks().map(({ record }) => record),
    onChange: (listener) => state.onChange(() => listener()),
    async registerService(definition, { replaceChecks }) {
      for (const check of definition.checks ?? []) accept(check, definition.id ?? definition.name);
      await state.registerService(definition, replaceChecks);
    },
    deregisterService: (id) => state.deregisterService(id),
    async registerCheck(definition, serviceId) {
      accept(definition, serviceId);
      await state.registerCheck(definition, serviceId);
    },
    deregisterCheck: (id) => state.deregisterCheck(id),
    async setCheck(id, status, output) {
      if (!state.check(id)) {
        throw new FabricError(
          "REGISTRY_CHECK_NOT_FOUND",
          `set check "${id}": this agent does not have it; see /v1/agent/checks`,
          {
            details: { id },
          },
        );
      }
      runner.setTtl(id, status, output);
    },
  };
}

/** A check as it was registered, in the runner's shape. `status`: what it had reached before a restart. */
function runnable(
  id: string,
  serviceId: string,
  definition: CheckDefinition,
  status = definition.status,
): HealthCheck {
  const {
    probe,
    successBeforePassing,
    failuresBeforeWarning,
    failuresBeforeCritical,
    deregisterCriticalServiceAfterMs,
  } = definition;
  const common = {
    id,
    ...(serviceId !== "" && { serviceId }),
    ...(status && { status }),
    ...(deregisterCriticalServiceAfterMs !== undefined && { deregisterCriticalServiceAfterMs }),
  };
  if (probe.kind === "docker") return { ...common, kind: "none" };
  if (probe.kind === "ttl" || probe.kind === "none" || probe.kind === "alias") return { ...common, ...probe };
  return {
    ...common,
    ...probe,
    ...(successBeforePassing !== undefined && { successBeforePassing }),
    ...(failuresBeforeWarning !== undefined && { failuresBeforeWarning }),
    ...(failuresBeforeCritical !== undefined && { failuresBeforeCritical }),
  };
}
