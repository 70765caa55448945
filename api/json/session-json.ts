/** Sessions in the shapes of Consul's bodies. */

import { FabricError } from "../../errors/index.ts";
import {
  parseGoDuration,
  type SessionBehavior,
  type SessionEntry,
  type SessionSpec,
} from "../../registry/index.ts";
import type { BodyFields } from "../body/body-fields.ts";
import { badRequest } from "../query.ts";

const lockDelayDefaultMs = 15_000;
/** A smaller LockDelay without unit is seconds, a larger one nanoseconds. */
const bareSecondsBelow = 1000;

export function sessionJson(session: SessionEntry) {
  return {
    ID: session.id,
    Name: session.name,
    Node: session.node,
    LockDelay: Math.round(session.lockDelayMs * 1e6),
    Behavior: session.behavior,
    TTL: session.ttl,
    NodeChecks: session.nodeChecks,
    ServiceChecks: session.serviceChecks.map((ID) => ({ ID, Namespace: "" })),
    Checks: [...session.nodeChecks, ...session.serviceChecks],
    CreateIndex: session.createIndex,
    ModifyIndex: session.createIndex,
  };
}

/**
 * `defaultChecks` hold a session whose body names none; an empty list is none at all.
 * @throws API_BAD_REQUEST, REGISTRY_SESSION_INVALID
 */
export function readSession(
  body: BodyFields,
  defaultNode: string,
  defaultChecks: readonly string[],
): SessionSpec {
  const ttl = body.text("ttl") ?? "";
  const ttlMs = ttl === "" ? 0 : parseGoDuration(ttl);
  if (ttlMs === undefined)
    throw invalid(`Session TTL '${ttl}' invalid: time: invalid duration ${JSON.stringify(ttl)}`);
  const nodeChecks = body.texts("nodechecks");
  const checks = body.texts("checks");
  const named = nodeChecks ?? checks;
  return {
    node: body.text("node") || defaultNode,
    name: body.text("name") ?? "",
    behavior: readBehavior(body.text("behavior") ?? ""),
    lockDelayMs: readLockDelay(body),
    ttl,
    ttlMs,
    nodeChecks:
      named === undefined ? defaultChecks : [...new Set([...(nodeChecks ?? []), ...(checks ?? [])])],
    serviceChecks: body.list("servicechecks").map((check) => check.text("id") ?? ""),
  };
}

function readBehavior(text: string): SessionBehavior {
  if (text === "" || text === "release") return "release";
  if (text === "delete") return "delete";
  throw invalid(`Invalid Behavior setting '${text}'`);
}

function readLockDelay(body: BodyFields): number {
  const value = body.value("lockdelay");
  if (typeof value === "number" && value >= 0 && value < bareSecondsBelow) return value * 1000;
  const ms = body.durationMs("lockdelay") ?? lockDelayDefaultMs;
  if (ms < 0) throw badRequest("Request decode failed: LockDelay must not be negative");
  return ms;
}

function invalid(message: string): FabricError {
  return new FabricError("REGISTRY_SESSION_INVALID", message);
}
