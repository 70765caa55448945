/**
 * One form for every refusal of Linux: the operation in ip(8) words, the errno by number and name, and the
 * kernel's own sentence when it gave one (NETLINK_EXT_ACK).
 */
import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import { FabricError, isFabricError } from "../errors/index.ts";

export type ErrnoName = keyof typeof constants.errno;

const namesByErrno = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno, name]));
const sentences = getSystemErrorMap();

/** KERNEL_REFUSED with details `{errno, errnoName, kernelMessage, operation}`. */
export function refusal(operation: string, errno: number | ErrnoName, kernelMessage?: string): FabricError {
  const number = typeof errno === "number" ? errno : constants.errno[errno];
  const errnoName = namesByErrno.get(number) ?? `errno ${number}`;
  const sentence = kernelMessage ?? sentences.get(-number)?.[1] ?? "no further reason given";
  return new FabricError("KERNEL_REFUSED", `${operation}: Linux answers ${errnoName}: ${sentence}`, {
    details: { errno: number, errnoName, kernelMessage: kernelMessage ?? "", operation },
  });
}

/** The errno of a KERNEL_REFUSED, undefined for anything else. */
export function refusedErrno(error: unknown): ErrnoName | undefined {
  return isFabricError(error, "KERNEL_REFUSED") ? (error.details["errnoName"] as ErrnoName) : undefined;
}
