/** Codes of `registry`. */
export const registryCodes = {} as const;
