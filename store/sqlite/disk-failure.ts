/** From what SQLite or the file system says to an error that tells the operator what to do. */
import { isFabricError } from "../../errors/index.ts";
import { restoreAdvice } from "./database.ts";
import type { Failure } from "./protocol.ts";

/** Primary result codes, sqlite.org/rescode.html. */
const result = { busy: 5, corrupt: 11, full: 13, notADatabase: 26 } as const;

export function describeFailure(error: unknown, action: string, path: string): Failure {
  if (isFabricError(error)) return error.toJSON();
  const { errcode = 0, code, message } = error as Error & { errcode?: number; code?: string };
  const details = { path, reason: message, ...(errcode === 0 ? { code } : { errcode }) };
  switch (errcode & 0xff) {
    case result.busy:
      return {
        code: "STORE_LOCKED",
        message: `${action} ${path}: another process holds the file; stop it or name another path`,
        details,
      };
    case result.corrupt:
    case result.notADatabase:
      return { code: "STORE_CORRUPT", message: `${action} ${path}: ${message}; ${restoreAdvice}`, details };
    case result.full:
      return {
        code: "STORE_UNAVAILABLE",
        message: `${action} ${path}: the disk or fileBytesMax is full and nothing was written; make room and try again`,
        details,
      };
    default:
      return {
        code: "STORE_UNAVAILABLE",
        message: `${action} ${path}: ${message}; check the disk and the permissions`,
        details,
      };
  }
}

/** After a full disk the rollback is certain; after any other failure (a failed fsync above all) nothing is. */
export function isUndone(error: unknown): boolean {
  const { errcode = 0 } = error as { errcode?: number };
  return (errcode & 0xff) === result.full;
}
