/** Transactions as this module writes them: under these conditions those writes, else look at what is there. */
import type { Compare, Operation, Txn } from "../store/index.ts";

export function transaction(
  compare: readonly Compare[],
  writes: readonly Operation[],
  otherwise: readonly Operation[] = [],
): Txn {
  // biome-ignore lint/suspicious/noThenProperty: the store contract's word, never a function
  return { compare, then: writes, else: otherwise };
}
