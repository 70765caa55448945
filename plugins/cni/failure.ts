/** Errors of the fabric as errors of the CNI protocol: which number each code has for a container runtime. */
import { type ErrorCode, FabricError } from "../../errors/index.ts";
import { type CniAnswer, type CniErrorNumber, cniErrorNumbers, errorAnswer } from "./answer.ts";
import type { CniVersion } from "./version.ts";

/** Codes that are not here are a plain failure, 100. */
const numbers: Partial<Record<ErrorCode, CniErrorNumber>> = {
  CNI_VERSION_UNSUPPORTED: cniErrorNumbers.incompatibleVersion,
  CNI_FIELD_UNSUPPORTED: cniErrorNumbers.unsupportedField,
  CNI_ENVIRONMENT_INVALID: cniErrorNumbers.invalidEnvironment,
  CNI_UNDECODABLE: cniErrorNumbers.undecodable,
  CNI_CONFIG_INVALID: cniErrorNumbers.invalidConfiguration,
  CNI_RESULT_MISMATCH: cniErrorNumbers.endpointDrifted,
  ENDPOINT_BUSY: cniErrorNumbers.tryAgainLater,
  ENDPOINT_DEADLINE: cniErrorNumbers.tryAgainLater,
  ENDPOINT_EXISTS: cniErrorNumbers.endpointExists,
  ENDPOINT_LEASE_LOST: cniErrorNumbers.endpointDrifted,
  ENDPOINT_NOT_FOUND: cniErrorNumbers.unknownContainer,
  IPAM_ADDRESS_IN_USE: cniErrorNumbers.addressTaken,
  IPAM_ADDRESS_OUTSIDE: cniErrorNumbers.addressTaken,
  IPAM_ADDRESS_RESERVED: cniErrorNumbers.addressTaken,
  IPAM_CONTENDED: cniErrorNumbers.tryAgainLater,
  IPAM_FENCED: cniErrorNumbers.tryAgainLater,
  IPAM_NETWORK_NOT_FOUND: cniErrorNumbers.invalidConfiguration,
  IPAM_OWNER_HAS_ADDRESS: cniErrorNumbers.endpointExists,
  IPAM_POOL_EXHAUSTED: cniErrorNumbers.poolExhausted,
  IPAM_REQUEST_INVALID: cniErrorNumbers.invalidConfiguration,
  IPAM_STALE_EPOCH: cniErrorNumbers.tryAgainLater,
  IPAM_UNAVAILABLE: cniErrorNumbers.tryAgainLater,
  KERNEL_NO_ANSWER: cniErrorNumbers.tryAgainLater,
  KERNEL_NO_NETNS: cniErrorNumbers.unknownContainer,
  OVERLAY_ENDPOINT_DRIFT: cniErrorNumbers.endpointDrifted,
  OVERLAY_QUEUE_FULL: cniErrorNumbers.tryAgainLater,
};

/** STATUS knows one way to say that no container can be added now. */
export function unavailableAnswer(version: CniVersion, error: unknown): CniAnswer {
  return answerOf(version, error, cniErrorNumbers.unavailable);
}

export function failureAnswer(version: CniVersion, error: unknown): CniAnswer {
  const number = error instanceof FabricError ? numbers[error.code] : undefined;
  return answerOf(version, error, number ?? cniErrorNumbers.failed);
}

function answerOf(cniVersion: CniVersion, error: unknown, code: CniErrorNumber): CniAnswer {
  const known = error instanceof FabricError;
  const msg = error instanceof Error ? error.message : String(error);
  const details = known ? JSON.stringify({ code: error.code, ...error.details }) : "";
  return errorAnswer({ cniVersion, code, msg, ...(details ? { details } : {}) });
}
