/** Codes of `dns`. */
export const dnsCodes = {} as const;
