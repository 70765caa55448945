/** Codes of `daemon`: a process cannot start or stop as asked. */
export const daemonCodes = {
  DAEMON_OPTION_INVALID: "An option of a process is not what it takes.",
  DAEMON_INSECURE: "A process was told to listen beyond loopback without saying that this is meant.",
  DAEMON_TLS_FAILED:
    "A certificate, a key or the certificates of clients' authority cannot be used for HTTPS.",
  DAEMON_ALREADY_RUNNING: "Another process already runs this role on this node.",
  DAEMON_IDENTITY_DAMAGED: "What a node keeps of who it is cannot be read.",
  DAEMON_STORE_IN_USE: "A store that was to be filled is not empty.",
  DAEMON_STOP_FAILED: "A running process did not stop when told.",
  DAEMON_PURGE_INCOMPLETE: "Something of Heddle's could not be taken off the host.",
  DAEMON_NAME_UNAVAILABLE:
    "A name was asked for that this node does not hold, and no server could tell of it in time.",
} as const;
