/** Codes of `files`. */
export const filesCodes = {
  FILES_DIRECTORY_FAILED: "A directory of an operator's naming cannot be made.",
  FILES_WRITE_FAILED: "A file of the node's own state cannot be written.",
} as const;
