/** Codes of `kernel`. */
export const kernelCodes = {} as const;
