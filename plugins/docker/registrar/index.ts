/** Containers of a Docker Engine as services and names of this node. */
export { type RegistrarLimits, registrarLimits } from "./limits.ts";
export type { RegistrarLog, ServiceRegistry } from "./ports.ts";
export { Registrar, type RegistrarOptions, type RegistrarStatus } from "./registrar.ts";
