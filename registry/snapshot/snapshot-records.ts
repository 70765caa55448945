/**
 * What of the store is worth saving and safe to put back: what people and their tools wrote. Left out, with reasons in
 * docs/decisions/010-snapshots.md: what agents say of their nodes (they say it again), what hangs on a lease, the
 * address plan (older claims would break uniqueness), and history and events (they are of these revisions).
 *
 * Records are those of the registry's memory, which is of one revision, so a snapshot is, over every store.
 */
import {
  decodeCheck,
  decodeNode,
  decodeQuery,
  decodeService,
  encodeCheck,
  encodeNode,
  encodeQuery,
  encodeService,
} from "../codec.ts";
import { decodeRule, encodeJson } from "../history/history-model.ts";
import {
  checkKey,
  historyCutsPrefix,
  historyPrefix,
  historyRuleKey,
  historyRulesPrefix,
  type KeyParts,
  kvKey,
  kvPrefix,
  nodeKey,
  parseKey,
  queriesPrefix,
  queryKey,
  queryNameKey,
  queryNamesPrefix,
  serviceKey,
} from "../keys.ts";
import { decodeKv, encodeKv } from "../kv/kv-codec.ts";
import type { QueryRecord } from "../model.ts";
import type { RegistryReads } from "../reads.ts";

export interface SnapshotRecord {
  /** Where it stands in the store. */
  readonly key: string;
  readonly value: Uint8Array;
}

/** Encoded as they are taken; what they are made of is of the moment of the call. */
export function snapshotRecords(registry: RegistryReads): {
  readonly revision: number;
  readonly records: Iterable<SnapshotRecord>;
} {
  const keys = registry.kvList("").filter(({ lease }) => lease === undefined);
  const queries = registry.queries().filter(({ session }) => !session);
  const nodes = registry.nodes().filter(({ fabric }) => fabric === undefined);
  const below = nodes.map(({ name }) => ({
    services: registry.servicesOfNode(name),
    checks: registry.checksOfNode(name),
  }));
  const rules = registry.history.rules();
  function* records(): Generator<SnapshotRecord> {
    for (const { key, value, flags, lockIndex } of keys)
      yield { key: kvKey(key), value: encodeKv({ value, flags, lockIndex }) };
    for (const rule of rules) yield { key: historyRuleKey(rule.prefix), value: encodeJson(rule) };
    for (const query of queries) yield { key: queryKey(query.id), value: encodeQuery(query) };
    for (const node of nodes) yield { key: nodeKey(node.name), value: encodeNode(node) };
    for (const { services, checks } of below) {
      for (const service of services)
        yield { key: serviceKey(service.node, service.id), value: encodeService(service) };
      for (const check of checks) yield { key: checkKey(check.node, check.id), value: encodeCheck(check) };
    }
  }
  return { revision: registry.index, records: records() };
}

/** Whether a record of an archive is one that a snapshot may hold, whole and as it should be. */
export function isSnapshotRecord({ key, value }: SnapshotRecord): boolean {
  const parts = parseKey(key);
  if (!parts) return false;
  switch (parts.kind) {
    case "kv": {
      const record = decodeKv(parts.key, value);
      return parts.key !== "" && record?.session === undefined && record?.lease === undefined && !!record;
    }
    case "historyRule":
      return decodeRule(value)?.prefix === parts.prefix;
    case "query":
      return decodeQuery(value)?.session === "";
    case "node": {
      const node = decodeNode(value);
      return node !== undefined && node.fabric === undefined;
    }
    case "service":
      return decodeService(value) !== undefined;
    case "check":
      return decodeCheck(value) !== undefined;
    case "live":
    case "coordinate":
    case "session":
    case "sessionTtl":
    case "kvTtl":
    case "kvVersion":
    case "historyCut":
    case "event":
    // A saved state is handed around; who may do what is not.
    case "aclToken":
    case "aclPolicy":
      return false;
    default:
      return parts satisfies never;
  }
}

/** What stands there because of a query: the right to its name. */
export function nameOf(query: QueryRecord): SnapshotRecord | undefined {
  const isNamed = query.name !== "" || query.template !== undefined;
  return isNamed ? { key: queryNameKey(query.name), value: new TextEncoder().encode(query.id) } : undefined;
}

/** Store keys that make way for a snapshot; those of the catalog by what stands there. */
export function isReplaced(key: string, isFabricNode: (node: string) => boolean): boolean {
  const whole = [
    kvPrefix,
    historyPrefix,
    historyCutsPrefix,
    historyRulesPrefix,
    queriesPrefix,
    queryNamesPrefix,
  ];
  if (whole.some((prefix) => key.startsWith(prefix))) return true;
  const node = nodeOf(parseKey(key));
  return node !== undefined && !isFabricNode(node);
}

export function nodeOf(parts: KeyParts | undefined): string | undefined {
  return parts?.kind === "node" || parts?.kind === "service" || parts?.kind === "check"
    ? parts.node
    : undefined;
}
