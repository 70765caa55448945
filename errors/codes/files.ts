/** Codes of `files`. */
export const filesCodes = {
  FILES_DIRECTORY_FAILED: "A directory of an operator's naming cannot be made.",
} as const;
