/** Codes of `daemon`. */
export const daemonCodes = {} as const;
