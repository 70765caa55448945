/** Codes of `api`. */
export const apiCodes = {} as const;
