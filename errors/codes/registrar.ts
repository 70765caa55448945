/** Codes of `plugins/docker/registrar` and `plugins/docker/engine`. */
export const registrarCodes = {
  REGISTRAR_ID_TAKEN: "A container asks for a service ID that something else has.",
  REGISTRAR_LABEL_INVALID: "A label or variable of a container cannot be read as a service.",
  REGISTRAR_LIMIT: "More containers or names than this node takes in.",
} as const;
