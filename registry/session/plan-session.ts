/**
 * From what a client asks to a session record, and whether a session may live. Pure. The words of the refusals
 * are Consul's: clients compare their beginnings.
 */
import { FabricError } from "../../errors/index.ts";
import { formatGoDuration } from "../go-duration.ts";
import type { SessionBehavior, SessionRecord } from "../model.ts";
import type { RegistryReads } from "../reads.ts";

export const sessionTtlMinMs = 10_000;
export const sessionTtlMaxMs = 24 * 3_600_000;
export const sessionChecksMax = 64;
export const sessionNameBytesMax = 512;
/** A session lives at least its TTL; it ends at this multiple of it, as in Consul. */
const ttlFactor = 2;

export interface SessionSpec {
  readonly node: string;
  readonly name: string;
  readonly behavior: SessionBehavior;
  readonly lockDelayMs: number;
  /** As the client wrote it, with its milliseconds; 0: none. */
  readonly ttl: string;
  readonly ttlMs: number;
  readonly nodeChecks: readonly string[];
  readonly serviceChecks: readonly string[];
}

/** How long the store keeps a session that nobody renews; undefined: for ever. @throws REGISTRY_SESSION_INVALID */
export function leaseMsOf({ ttlMs }: SessionSpec): number | undefined {
  if (ttlMs === 0) return undefined;
  if (ttlMs >= sessionTtlMinMs && ttlMs <= sessionTtlMaxMs) return ttlMs * ttlFactor;
  const range = `[${formatGoDuration(sessionTtlMinMs)}=${formatGoDuration(sessionTtlMaxMs)}]`;
  throw sessionInvalid(`Invalid Session TTL '${Math.round(ttlMs * 1e6)}', must be between ${range}`);
}

/** @throws REGISTRY_SESSION_INVALID */
export function planSession(spec: SessionSpec, id: string, lease: string | undefined): SessionRecord {
  const { node, name, behavior, lockDelayMs, ttl, nodeChecks, serviceChecks } = spec;
  if (Buffer.byteLength(name) > sessionNameBytesMax)
    throw sessionInvalid(`Session name is longer than ${sessionNameBytesMax} bytes`);
  if (nodeChecks.length + serviceChecks.length > sessionChecksMax)
    throw sessionInvalid(`Session has more than ${sessionChecksMax} checks`);
  return {
    id,
    name,
    node,
    behavior,
    lockDelayMs: Math.max(0, lockDelayMs),
    ttl,
    nodeChecks,
    serviceChecks,
    ...(lease !== undefined && { lease }),
    ending: false,
  };
}

/** Why the session must not live, or undefined: its node, its checks and its time decide. */
export function whyInvalid(
  registry: RegistryReads,
  session: Pick<SessionRecord, "node" | "nodeChecks" | "serviceChecks">,
): string | undefined {
  if (registry.node(session.node)?.name.toLowerCase() !== session.node.toLowerCase())
    return "Missing node registration";
  const wanted = [...session.nodeChecks, ...session.serviceChecks];
  if (wanted.length === 0) return undefined;
  const statuses = new Map(registry.checksOfNode(session.node).map(({ id, status }) => [id, status]));
  for (const id of wanted) {
    const status = statuses.get(id);
    if (status === undefined) return `Missing check '${id}' registration`;
    if (status === "critical") return `Check '${id}' is in critical state`;
  }
  return undefined;
}

export function sessionInvalid(message: string): FabricError {
  return new FabricError("REGISTRY_SESSION_INVALID", message);
}
