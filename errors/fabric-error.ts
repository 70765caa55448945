/**
 * The one error class. The message names the action, the thing and what to do, in that order:
 * `claim block of network "web": pool 10.1.0.0/30 is full (4 of 4 in use); add a pool or release addresses`.
 */
import type { ErrorCode } from "./registry.ts";

export interface FabricErrorOptions {
  readonly cause?: unknown;
  /** Machine-readable facts of the failure: names, addresses, errno, limits. JSON-safe values only. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export class FabricError extends Error {
  override readonly name = "FabricError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: FabricErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  toJSON(): { code: ErrorCode; message: string; details: Readonly<Record<string, unknown>> } {
    return { code: this.code, message: this.message, details: this.details };
  }
}

/** True for a FabricError, and for one of the given code if there is one. */
export function isFabricError(error: unknown, code?: ErrorCode): error is FabricError {
  return error instanceof FabricError && (code === undefined || error.code === code);
}
