/** Codes of `plugins`: the endpoint service and the CNI plugin. */
export const cniCodes = {
  CNI_SHIM_INVALID: "The program of the CNI plugin binary is inconsistent.",
  CNI_SHIM_UNSUPPORTED: "The CNI plugin binary cannot be made for this machine or socket path.",
} as const;
