/**
 * Error code → HTTP status, in one table. What is not listed is 500, as in Consul. 429 and 503 tell a client
 * to come back, 409 that the state and not the request is in the way.
 */
import { type ErrorCode, FabricError } from "../errors/index.ts";

const statusOfCode: Partial<Record<ErrorCode, number>> = {
  ADDR_INVALID_IP: 400,
  ADDR_INVALID_CIDR: 400,
  ADDR_INVALID_MAC: 400,
  ADDR_INVALID_NAME: 400,
  API_BAD_REQUEST: 400,
  API_UNSUPPORTED: 400,
  API_LIMIT: 429,
  API_CLOSING: 503,
  API_HOST_REFUSED: 403,
  API_SOCKET_ONLY: 403,
  API_NO_AGENT: 501,
  API_NOT_IMPLEMENTED: 501,
  CONTROL_TOKEN_INVALID: 400,
  CONTROL_TOKEN_NOT_FOUND: 404,
  CONTROL_LIMIT: 429,
  DNS_INVALID_NAME: 400,
  HEALTH_LIMIT: 429,
  HEALTH_INVALID_CHECK: 400,
  HEALTH_CHECK_NOT_FOUND: 404,
  HEALTH_CHECK_NOT_MANUAL: 400,
  HEALTH_SCRIPTS_DISABLED: 400,
  IPAM_NETWORK_INVALID: 400,
  IPAM_NETWORK_NOT_FOUND: 404,
  IPAM_NETWORK_EXISTS: 409,
  IPAM_NETWORK_IN_USE: 409,
  IPAM_NODE_NOT_FOUND: 404,
  IPAM_POOL_EXHAUSTED: 409,
  REGISTRY_INVALID: 400,
  REGISTRY_KEY_INVALID: 400,
  REGISTRY_NODE_NOT_FOUND: 404,
  REGISTRY_SERVICE_NOT_FOUND: 404,
  REGISTRY_CHECK_NOT_FOUND: 404,
  REGISTRY_SESSION_NOT_FOUND: 404,
  REGISTRY_QUERY_NOT_FOUND: 404,
  REGISTRY_KEY_NOT_FOUND: 404,
  REGISTRY_SNAPSHOT_INVALID: 400,
  API_SNAPSHOT_DAMAGED: 400,
  REGISTRY_PERMISSION_DENIED: 403,
  REGISTRY_TOKEN_UNKNOWN: 403,
  REGISTRY_POLICY_NOT_FOUND: 404,
  REGISTRY_COMPACTED: 410,
  REGISTRY_STALE_EPOCH: 409,
  REGISTRY_VALUE_TOO_LARGE: 413,
  REGISTRY_TXN_TOO_LARGE: 413,
  REGISTRY_LIMIT: 429,
  REGISTRY_CONTENDED: 503,
  REGISTRY_CLOSED: 503,
  STORE_LIMIT: 413,
};

/** 500 because Consul says so; it is the request's fault and nothing for the log. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof FabricError &&
    (error.code === "REGISTRY_SESSION_INVALID" || error.code === "API_NO_DATACENTER")
  );
}

export function httpStatusOf(error: unknown): number {
  return error instanceof FabricError ? (statusOfCode[error.code] ?? 500) : 500;
}
