/** Codes of `store`. */
export const storeCodes = {} as const;
