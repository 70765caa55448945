/** Codes of `overlay`. */
export const overlayCodes = {} as const;
