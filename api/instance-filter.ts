/** The filters of catalog and health queries: tags (all of them, in any case) and node metadata. */
import { badRequest, type Query } from "./query.ts";

/** Pairs of the repeated `node-meta=key:value`. */
export function nodeMetaOf(query: Query): readonly (readonly [string, string])[] {
  return query.all("node-meta").map((pair) => {
    const colon = pair.indexOf(":");
    if (colon < 1) throw badRequest(`Invalid node-meta ${JSON.stringify(pair)}: expected key:value`);
    return [pair.slice(0, colon), pair.slice(colon + 1)];
  });
}

export function matchesMeta(
  node: { readonly meta: Readonly<Record<string, string>> },
  wanted: readonly (readonly [string, string])[],
): boolean {
  return wanted.every(([key, value]) => Object.hasOwn(node.meta, key) && node.meta[key] === value);
}

export function hasTags(service: { readonly tags: readonly string[] }, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  const tags = service.tags.map((tag) => tag.toLowerCase());
  return wanted.every((tag) => tags.includes(tag.toLowerCase()));
}
