/** Codes of `ipam`. */
export const ipamCodes = {} as const;
