/** Codes of `control`. */
export const controlCodes = {
  CONTROL_UNAVAILABLE: "No server can be reached, or the connection to it was lost.",
  CONTROL_TIMEOUT: "A server or an agent did not answer in time.",
  CONTROL_LIMIT: "A limit of the control protocol is reached.",
  CONTROL_PROTOCOL: "The other side broke the control protocol or speaks another version of it.",
  CONTROL_INVALID_NODE: "An agent described its node in a way that cannot be.",
  CONTROL_NODE_NAME_TAKEN: "A live node of another identity has this name.",
  CONTROL_REPLACED: "A newer connection of the same node took over.",
  CONTROL_STALE_EPOCH: "An agent asked in a term of its node that is not the current one.",
  CONTROL_VIEW_UNKNOWN: "A view was asked for that servers do not have.",
  CONTROL_INSECURE: "The control server was told to listen beyond this machine without encryption.",
  CONTROL_LISTEN_FAILED: "The control server cannot listen on an address.",
  CONTROL_CLOSED: "The control client or server was closed.",
  CONTROL_INTERNAL: "A server failed in a way that it did not expect.",
} as const;
