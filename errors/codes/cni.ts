/** Codes of `plugins/cni`. */
export const cniCodes = {
  CNI_CONFIG_INVALID: "The network configuration lacks something or holds what cannot be.",
  CNI_ENVIRONMENT_INVALID: "A CNI_ variable is missing or breaks the rules of the specification.",
  CNI_FIELD_UNSUPPORTED: "A field of the network configuration asks for what Heddle does not do.",
  CNI_FILE_FOREIGN: "A file that is not Heddle's has the name that the installation needs.",
  CNI_GC_INCOMPLETE: "Garbage collection could not remove every endpoint.",
  CNI_INSTALL_FAILED: "A file of the CNI plugin could not be read, written or removed.",
  CNI_RESULT_MISMATCH: "The result that the runtime kept is not what is attached.",
  CNI_SHIM_INVALID: "The program of the CNI plugin binary is inconsistent.",
  CNI_SHIM_UNSUPPORTED: "The CNI plugin binary cannot be made for this machine or socket path.",
  CNI_SOCKET_IN_USE: "The agent cannot listen on its CNI socket.",
  CNI_UNDECODABLE: "A CNI call or its configuration cannot be read.",
  CNI_VERSION_UNSUPPORTED: "The version of the CNI protocol does not fit the call.",
} as const;
