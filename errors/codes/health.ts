/** Codes of `health`. */
export const healthCodes = {
  HEALTH_INVALID_CHECK: "A check's definition cannot run.",
  HEALTH_SCRIPTS_DISABLED: "A script check was registered on a node that does not allow scripts.",
  HEALTH_LIMIT: "A node has as many checks as it may run.",
  HEALTH_CHECK_NOT_FOUND: "A check that was to be set does not run on this node.",
  HEALTH_CHECK_NOT_MANUAL: "A check that finds its status itself was to be set by hand.",
  HEALTH_PROBE_FAILED: "A health probe's connection ended without an answer.",
} as const;
