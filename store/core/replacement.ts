/**
 * What a replacement writes, given what stands: the same on every engine. An item that stays as it is is not written, so
 * it keeps its revisions and wakes nobody. Order: deletions, then puts by the order in which they were given.
 */
import type { Replacement, StoreItem, Write } from "../store.ts";

export type ReplacementWrite = Exclude<Write, { readonly op: "deletePrefix" }>;

export function replacementWrites(
  standing: readonly StoreItem[],
  { replaces, items }: Replacement,
): readonly ReplacementWrite[] {
  const wanted = new Map(items.map(({ key, value }) => [key, value]));
  const held = new Map(standing.map((item) => [item.key, item]));
  const writes: ReplacementWrite[] = [];
  for (const item of standing)
    if (!wanted.has(item.key) && replaces(item)) writes.push({ op: "delete", key: item.key });
  for (const [key, value] of wanted) {
    const item = held.get(key);
    const stays = item && item.lease === undefined && Buffer.compare(item.value, value) === 0;
    if (!stays) writes.push({ op: "put", key, value });
  }
  return writes;
}
