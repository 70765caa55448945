/** What the registrar needs of the node's agent. */
import type { CheckStatus, ServiceDefinition, ServiceRecord } from "../../../registry/index.ts";

/** The agent's own registrations. */
export interface ServiceRegistry {
  services(): readonly ServiceRecord[];
  /** @throws REGISTRY_INVALID, REGISTRY_LIMIT, HEALTH_*, STORE_UNAVAILABLE */
  registerService(definition: ServiceDefinition, options: { readonly replaceChecks: boolean }): Promise<void>;
  /** @throws REGISTRY_SERVICE_NOT_FOUND, STORE_UNAVAILABLE */
  deregisterService(id: string): Promise<void>;
  /** @throws REGISTRY_CHECK_NOT_FOUND */
  setCheck(id: string, status: CheckStatus, output: string): Promise<void>;
}

export type RegistrarLog = (
  level: "info" | "warn" | "error",
  message: string,
  details: Readonly<Record<string, unknown>>,
) => void;
