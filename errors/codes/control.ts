/** Codes of `control`. */
export const controlCodes = {} as const;
