/** The rules of access: what a policy says, and what one kind of right contains. As Consul's ACL rules. */

/** In the order of what they allow; `deny` allows nothing, `list` is of keys alone. */
export type Access = "deny" | "read" | "list" | "write";

/** What has names, so that rules are for one of them or for all that begin alike. */
export const namedResources = ["agent", "event", "key", "node", "query", "service", "session"] as const;
export type NamedResource = (typeof namedResources)[number];

/** What there is once. */
export const soleResources = ["acl", "operator"] as const;
export type SoleResource = (typeof soleResources)[number];

export type Resource = NamedResource | SoleResource;

export interface Rule {
  readonly resource: Resource;
  readonly match: "exact" | "prefix";
  /** "" of what there is once. */
  readonly name: string;
  readonly access: Access;
}

/** Nodes and services are the same whatever the case of their name; keys, events and queries are not. */
const foldedResources: ReadonlySet<Resource> = new Set(["agent", "node", "service", "session"]);

/** The name as it is compared. */
export function comparedName(resource: Resource, name: string): string {
  return foldedResources.has(resource) ? name.toLowerCase() : name;
}

const levels = { deny: 0, read: 1, list: 2, write: 3 } as const;

export function contains(held: Access, wanted: Access): boolean {
  return levels[held] >= levels[wanted];
}

/** Of two rules for the same: a denial stands, else the one that allows more. */
export function stronger(a: Access, b: Access): Access {
  if (a === "deny" || b === "deny") return "deny";
  return contains(a, b) ? a : b;
}
