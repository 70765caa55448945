/**
 * Errors that a person can act on. One class, one registry of codes; docs/errors.md explains each code and
 * a rule test holds the two together in both directions.
 */
export { FabricError, isFabricError } from "./fabric-error.ts";
export { type ErrorCode, errorCodes } from "./registry.ts";
