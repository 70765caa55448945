/** Codes of `registry`. */
export const registryCodes = {
  REGISTRY_LIMIT: "A table or queue of the registry is full.",
  REGISTRY_CLOSED: "The registry was closed while it was in use.",
  REGISTRY_CONTENDED: "A write lost against other writers of the same record too often.",
  REGISTRY_NODE_NOT_FOUND: "The catalog does not hold the node.",
  REGISTRY_SERVICE_NOT_FOUND: "The service is not registered.",
  REGISTRY_CHECK_NOT_FOUND: "The check is not registered.",
  REGISTRY_STALE_EPOCH: "A writer speaks for an earlier term of its node.",
  REGISTRY_INVALID: "A registration cannot be accepted as it is.",
  REGISTRY_KEY_INVALID: "A key of the key/value store is empty or too long.",
  REGISTRY_VALUE_TOO_LARGE: "A value of the key/value store exceeds its limit.",
  REGISTRY_SESSION_INVALID: "A session cannot be made, or cannot lock.",
  REGISTRY_SESSION_NOT_FOUND: "The session has ended or never was.",
  REGISTRY_TXN_TOO_LARGE: "A transaction has too many operations.",
  REGISTRY_COMPACTED: "The changes or versions asked for are no longer known.",
  REGISTRY_KEY_NOT_FOUND: "There is no such key, or there was none at that revision.",
  REGISTRY_QUERY_NOT_FOUND: "There is no such prepared query.",
} as const;
