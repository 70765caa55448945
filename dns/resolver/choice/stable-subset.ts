/**
 * A part of a service's instances that stays the same for one client: those with the highest hash of client and
 * instance (rendezvous hashing, Thaler and Ravishankar 1998). When an instance comes or goes, at most one of the
 * part changes, so that the slots of a load balancer (HAProxy's `server-template`) keep their servers; different
 * clients get different parts, so that together they use all instances.
 *
 * Cost: one hash of a short text an instance.
 */

/** In the order given. All of them when they are no more than `count`; 0 = no limit. */
export function stableSubset<T>(
  items: readonly T[],
  count: number,
  client: string,
  key: (item: T) => string,
): readonly T[] {
  if (count === 0 || items.length <= count) return items;
  const seed = textHash(client, 0);
  const chosen = items
    .map((item) => ({ item, key: key(item), score: textHash(key(item), seed) }))
    .sort((a, b) => b.score - a.score || (a.key < b.key ? -1 : 1))
    .slice(0, count);
  const kept = new Set(chosen.map(({ item }) => item));
  return items.filter((item) => kept.has(item));
}

/** 32 bits, each of which depends on every character: FNV-1a, then the finish of MurmurHash3. */
export function textHash(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
