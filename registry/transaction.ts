/** Transactions as this module writes them: under these conditions those writes, else look at what is there. */
import type { Compare, Operation, Txn } from "../store/index.ts";

export function transaction(
  compare: readonly Compare[],
  writes: readonly Operation[],
  otherwise: readonly Operation[] = [],
): Txn {
  return { compare, success: writes, failure: otherwise };
}
