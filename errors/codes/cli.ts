/** Codes of `cli`: the command line was used in a way that cannot work. */
export const cliCodes = {
  CLI_USAGE: "An argument of a command is not what it takes.",
  CLI_PERMISSION: "The user who runs a command may not do what it needs.",
  CLI_CONFLICT: "What a command was to change has changed meanwhile.",
  CLI_NOT_FOUND: "What a command was asked for does not exist.",
} as const;
