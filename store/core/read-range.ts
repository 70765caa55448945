/** A range read of one state: what both engines answer from memory. */
import type { RangeOptions, RangeResult } from "../store.ts";
import type { StoreState } from "./state.ts";

const noBytes = new Uint8Array(0);

export function readRange(state: StoreState, prefix: string, options: RangeOptions = {}): RangeResult {
  const { limit = Number.POSITIVE_INFINITY, from, keysOnly = false } = options;
  const found = state.items.prefix(prefix, limit + 1, from);
  const more = found.length > limit;
  if (more) found.pop();
  const items = keysOnly ? found.map((item) => ({ ...item, value: noBytes })) : found;
  return { revision: state.revision, items, more };
}
