/** What an agent says when a registration does not fit or is not there. */
import { FabricError } from "../../errors/index.ts";

export function full(what: string, limit: string, max: number): FabricError {
  return new FabricError("REGISTRY_LIMIT", `${what}: ${limit} ${max} is reached; deregister what is unused`, {
    details: { limit, max },
  });
}

export function notFound(
  code: "REGISTRY_SERVICE_NOT_FOUND" | "REGISTRY_CHECK_NOT_FOUND",
  action: string,
  id: string,
): FabricError {
  return new FabricError(
    code,
    `${action} "${id}": this agent does not have it; see /v1/agent/services and checks`,
    {
      details: { id },
    },
  );
}
