/** What keeps a node from carrying all that it should, as a row of status output. */
import { type ErrorCode, isFabricError } from "../errors/index.ts";

export interface Problem {
  /** The thing, as `node n2`, `endpoint hd0123`, or the operation in ip(8) words. */
  readonly what: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Only FabricErrors are problems of the node; anything else is a defect and is thrown on. */
export function problemOf(what: string, error: unknown): Problem {
  if (!isFabricError(error)) throw error;
  return { what, code: error.code, message: error.message };
}
