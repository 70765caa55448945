/** Codes of `health`. */
export const healthCodes = {} as const;
