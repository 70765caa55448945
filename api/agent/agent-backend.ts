/** What the routes under `/v1/agent/` need of the agent of this node. The daemon plugs in AgentState and health. */
import type {
  CheckDefinition,
  CheckRecord,
  CheckStatus,
  ServiceDefinition,
  ServiceRecord,
} from "../../registry/index.ts";

export interface AgentBackend {
  services(): readonly ServiceRecord[];
  checks(): readonly CheckRecord[];
  /** Called after each change of a service or a check. Returns the unsubscription. */
  onChange(listener: () => void): () => void;
  /** @throws REGISTRY_INVALID, REGISTRY_LIMIT, and what the health checks of the node refuse */
  registerService(definition: ServiceDefinition, options: { readonly replaceChecks: boolean }): Promise<void>;
  /** @throws REGISTRY_SERVICE_NOT_FOUND */
  deregisterService(id: string): Promise<void>;
  /** `serviceId` is "" for a check of the node. @throws as registerService, REGISTRY_SERVICE_NOT_FOUND */
  registerCheck(definition: CheckDefinition, serviceId: string): Promise<void>;
  /** @throws REGISTRY_CHECK_NOT_FOUND */
  deregisterCheck(id: string): Promise<void>;
  /** Sets a TTL check by hand. @throws REGISTRY_CHECK_NOT_FOUND, HEALTH_CHECK_NOT_MANUAL */
  setCheck(id: string, status: CheckStatus, output: string): Promise<void>;
}

/** This process, as `/v1/agent/self` shows it. */
export interface SelfInfo {
  readonly node: string;
  /** UUID of the node. */
  readonly id: string;
  readonly address: string;
  readonly datacenter: string;
  readonly version: string;
  /** Runs a server (alone or with an agent). */
  readonly server: boolean;
  readonly meta: Readonly<Record<string, string>>;
}
