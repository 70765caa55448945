/**
 * One text for one meaning of an nftables table: handles, counts and the order of keys, sets, elements and
 * chains do not count; the order of rules within a chain does.
 */
import type { NftObject } from "./syntax.ts";

/** Members that the kernel adds, or that change by themselves. */
const volatileKeys: ReadonlySet<string> = new Set(["handle", "packets", "bytes", "metainfo"]);

export function canonicalTable(objects: readonly unknown[]): string {
  const lines = objects.filter(isObject).map((object) => [sectionOf(object), stable(object)] as const);
  const unordered = lines.filter(([section]) => section === "").map(([, text]) => text);
  const chains = Map.groupBy(
    lines.filter(([section]) => section !== ""),
    ([section]) => section,
  );
  const ordered = [...chains].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, rules]) => rules);
  return [...unordered.sort(), ...ordered.map(([, text]) => text)].filter((text) => text !== "{}").join("\n");
}

/** The chain of a rule; empty for everything else. */
function sectionOf(object: NftObject): string {
  const rule = object["rule"];
  return isObject(rule) ? String(rule["chain"]) : "";
}

function stable(value: unknown, key = ""): string {
  if (Array.isArray(value)) {
    const items = value.map((item) => stable(item));
    return `[${(key === "elem" || key === "flags" ? items.sort() : items).join(",")}]`;
  }
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .filter((name) => !volatileKeys.has(name))
    .sort()
    .map((name) => `${JSON.stringify(name)}:${stable(value[name], name)}`);
  return `{${members.join(",")}}`;
}

function isObject(value: unknown): value is NftObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
