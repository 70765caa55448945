/** Codes of `plugins/cni`. */
export const cniCodes = {} as const;
