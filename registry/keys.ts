/**
 * Where records stand in the store. Node names and ids are percent-encoded, so that one segment of a key is
 * one of theirs; the keys of the key/value store are taken as they are, so that a prefix stays a prefix.
 */

export const catalogPrefix = "catalog/";
export const nodesPrefix = "catalog/nodes/";
export const servicesPrefix = "catalog/services/";
export const checksPrefix = "catalog/checks/";
export const coordinatesPrefix = "catalog/coordinates/";
export const livePrefix = "live/";
export const kvPrefix = "kv/";
export const kvTtlPrefix = "kv-ttl/";
export const historyPrefix = "kv-history/";
export const historyCutsPrefix = "kv-history-cuts/";
export const historyRulesPrefix = "kv-history-rules/";
export const sessionsPrefix = "sessions/";
export const eventsPrefix = "events/";
export const queriesPrefix = "queries/";
export const queryNamesPrefix = "query-names/";
export const sessionTtlPrefix = "session-ttl/";
export const aclTokensPrefix = "acl/tokens/";
export const aclPoliciesPrefix = "acl/policies/";
/** There once the first token was made. */
export const aclBootstrapKey = "acl/bootstrap";

export function nodeKey(node: string): string {
  return nodesPrefix + encodeSegment(node);
}

export function liveKey(node: string): string {
  return livePrefix + encodeSegment(node);
}

/** Prefix of all services of a node. */
export function nodeServicesPrefix(node: string): string {
  return `${servicesPrefix}${encodeSegment(node)}/`;
}

/** Prefix of all checks of a node. */
export function nodeChecksPrefix(node: string): string {
  return `${checksPrefix}${encodeSegment(node)}/`;
}

/** Prefix of a node's coordinates. */
export function nodeCoordinatesPrefix(node: string): string {
  return `${coordinatesPrefix}${encodeSegment(node)}/`;
}

/** The segment's name may be empty, what follows a slash may not. */
export function coordinateKey(node: string, segment: string): string {
  return `${nodeCoordinatesPrefix(node)}_${encodeSegment(segment)}`;
}

export function serviceKey(node: string, id: string): string {
  return nodeServicesPrefix(node) + encodeSegment(id);
}

export function checkKey(node: string, id: string): string {
  return nodeChecksPrefix(node) + encodeSegment(id);
}

export function kvKey(key: string): string {
  return kvPrefix + key;
}

/** Stands while the time of the key with this lease lasts. */
export function kvTtlKey(lease: string): string {
  return kvTtlPrefix + encodeSegment(lease);
}

/** `name` is 36 characters at most, so that it fits behind the longest key. */
export function historyKey(key: string, name: string): string {
  return `${historyPrefix}${key}/${name}`;
}

export function historyCutKey(name: string): string {
  return historyCutsPrefix + name;
}

export function historyRuleKey(prefix: string): string {
  return historyRulesPrefix + encodeSegment(prefix);
}

export function sessionKey(id: string): string {
  return sessionsPrefix + encodeSegment(id);
}

/** Stands while the session's time lasts. */
export function sessionTtlKey(id: string): string {
  return sessionTtlPrefix + encodeSegment(id);
}

export function eventKey(id: string): string {
  return eventsPrefix + encodeSegment(id);
}

export function queryKey(id: string): string {
  return queriesPrefix + encodeSegment(id);
}

/** Holds the id of the query that the name belongs to; names differ in more than case. */
export function queryNameKey(name: string): string {
  return queryNamesPrefix + encodeSegment(name.toLowerCase());
}

export function aclTokenKey(accessor: string): string {
  return aclTokensPrefix + encodeSegment(accessor);
}

/** Holds the accessor of the token that has the secret. */
export function aclSecretKey(secret: string): string {
  return `acl/secrets/${encodeSegment(secret)}`;
}

export function aclPolicyKey(id: string): string {
  return aclPoliciesPrefix + encodeSegment(id);
}

/** Holds the id of the policy that has the name; names differ in more than case. */
export function aclPolicyNameKey(name: string): string {
  return `acl/policy-names/${encodeSegment(name.toLowerCase())}`;
}

type IdKind = "session" | "sessionTtl" | "kvTtl" | "event" | "query" | "aclToken" | "aclPolicy";

export type KeyParts =
  | { readonly kind: "node" | "live"; readonly node: string }
  | { readonly kind: "service" | "check"; readonly node: string; readonly id: string }
  | { readonly kind: "coordinate"; readonly node: string; readonly segment: string }
  | { readonly kind: IdKind; readonly id: string }
  | { readonly kind: "kvVersion"; readonly key: string; readonly name: string }
  | { readonly kind: "historyCut"; readonly name: string }
  | { readonly kind: "historyRule"; readonly prefix: string }
  | { readonly kind: "kv"; readonly key: string };

/** What a store key names, or undefined when it is none of the registry's. */
export function parseKey(storeKey: string): KeyParts | undefined {
  if (storeKey.startsWith(kvPrefix)) return { kind: "kv", key: storeKey.slice(kvPrefix.length) };
  if (storeKey.startsWith(livePrefix)) return node("live", storeKey.slice(livePrefix.length));
  if (storeKey.startsWith(nodesPrefix)) return node("node", storeKey.slice(nodesPrefix.length));
  if (storeKey.startsWith(servicesPrefix)) return pair("service", storeKey.slice(servicesPrefix.length));
  if (storeKey.startsWith(checksPrefix)) return pair("check", storeKey.slice(checksPrefix.length));
  if (storeKey.startsWith(coordinatesPrefix)) return coordinate(storeKey.slice(coordinatesPrefix.length));
  if (storeKey.startsWith(sessionsPrefix)) return withId("session", storeKey.slice(sessionsPrefix.length));
  if (storeKey.startsWith(historyPrefix)) return version(storeKey.slice(historyPrefix.length));
  if (storeKey.startsWith(historyCutsPrefix))
    return { kind: "historyCut", name: storeKey.slice(historyCutsPrefix.length) };
  if (storeKey.startsWith(historyRulesPrefix)) {
    const prefix = decodeSegment(storeKey.slice(historyRulesPrefix.length));
    return prefix === undefined ? undefined : { kind: "historyRule", prefix };
  }
  if (storeKey.startsWith(kvTtlPrefix)) return withId("kvTtl", storeKey.slice(kvTtlPrefix.length));
  if (storeKey.startsWith(sessionTtlPrefix))
    return withId("sessionTtl", storeKey.slice(sessionTtlPrefix.length));
  if (storeKey.startsWith(eventsPrefix)) return withId("event", storeKey.slice(eventsPrefix.length));
  if (storeKey.startsWith(queriesPrefix)) return withId("query", storeKey.slice(queriesPrefix.length));
  if (storeKey.startsWith(aclTokensPrefix)) return withId("aclToken", storeKey.slice(aclTokensPrefix.length));
  if (storeKey.startsWith(aclPoliciesPrefix))
    return withId("aclPolicy", storeKey.slice(aclPoliciesPrefix.length));
  return undefined;
}

/** A lone surrogate has no UTF-8; it becomes U+FFFD instead of an exception. */
function encodeSegment(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function decodeSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function node(kind: "node" | "live", segment: string): KeyParts | undefined {
  const name = decodeSegment(segment);
  return name ? { kind, node: name } : undefined;
}

function version(rest: string): KeyParts | undefined {
  const slash = rest.lastIndexOf("/");
  return slash > 0
    ? { kind: "kvVersion", key: rest.slice(0, slash), name: rest.slice(slash + 1) }
    : undefined;
}

function withId(kind: IdKind, segment: string): KeyParts | undefined {
  const id = decodeSegment(segment);
  return id ? { kind, id } : undefined;
}

function coordinate(rest: string): KeyParts | undefined {
  const slash = rest.indexOf("/_");
  const name = decodeSegment(rest.slice(0, Math.max(slash, 0)));
  const segment = decodeSegment(rest.slice(slash + 2));
  return name && segment !== undefined ? { kind: "coordinate", node: name, segment } : undefined;
}

function pair(kind: "service" | "check", rest: string): KeyParts | undefined {
  const slash = rest.indexOf("/");
  const name = decodeSegment(rest.slice(0, Math.max(slash, 0)));
  const id = decodeSegment(rest.slice(slash + 1));
  return slash > 0 && name && id ? { kind, node: name, id } : undefined;
}
