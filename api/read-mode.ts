/**
 * What every read of the catalog and of the key/value store takes: consistency, datacenter, and the parameters
 * of Consul that Heddle does not have. Those are refused: an ignored filter would be a wrong answer.
 */
import { FabricError } from "../errors/index.ts";
import { badRequest, type Query } from "./query.ts";

export type ReadMode = "leader" | "stale" | "consistent";

/** `near` (sorting), `cached` and `token` may be left out of account without making an answer wrong. */
const unsupported: Readonly<Record<string, string>> = {
  filter: "filter expressions here; filter the answer",
  hash: "hash-based blocking queries here; use index and wait",
  peer: "cluster peering",
  ns: "namespaces",
  partition: "admin partitions",
  sg: "sameness groups",
};

/** @throws API_BAD_REQUEST, API_UNSUPPORTED, API_NO_DATACENTER */
export function readMode(query: Query, datacenter: string, taken: readonly string[] = []): ReadMode {
  refuseUnsupported(query, taken);
  assertDatacenter(query, datacenter);
  const stale = query.has("stale") || query.has("max_stale");
  if (stale && query.has("consistent"))
    throw badRequest("Cannot specify ?stale with ?consistent, conflicting semantics.");
  if (query.has("max_stale"))
    query.duration("max_stale", `Invalid max_stale value "${query.get("max_stale")}"`);
  return stale ? "stale" : query.has("consistent") ? "consistent" : "leader";
}

/** `taken`: what this route does take of it. @throws API_UNSUPPORTED */
export function refuseUnsupported(query: Query, taken: readonly string[] = []): void {
  for (const [name, what] of Object.entries(unsupported)) {
    // Clients send the default namespace and partition without being asked.
    if (taken.includes(name) || !query.has(name) || query.get(name) === "" || query.get(name) === "default")
      continue;
    throw new FabricError("API_UNSUPPORTED", `Invalid query parameter: "${name}" - Heddle has no ${what}`);
  }
}

/** @throws API_NO_DATACENTER */
export function assertDatacenter(query: Query, datacenter: string): void {
  assertDatacenterNamed(query.get("dc"), datacenter);
}

/** @throws API_NO_DATACENTER */
export function assertDatacenterNamed(wanted: string, datacenter: string): void {
  if (wanted === "" || wanted === datacenter) return;
  throw new FabricError("API_NO_DATACENTER", "No path to datacenter", { details: { datacenter: wanted } });
}
