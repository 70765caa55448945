/** Codes of `cli`. */
export const cliCodes = {} as const;
