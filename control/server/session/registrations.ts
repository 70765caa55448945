/**
 * Writes what an agent says runs on its node. Messages of one agent are handled in order, one at a time; the
 * node's name is the session's, whatever a record claims.
 */
import { FabricError } from "../../../errors/index.ts";
import {
  type CheckRecord,
  livenessCheckId,
  type NodeSync,
  type RegistryReads,
  type RegistryWrites,
  type ServiceRecord,
} from "../../../registry/index.ts";
import type { RegistrationSet, Registrations } from "../../proto/gen/fabric_pb.ts";
import { registrationDigest } from "../../registration-digest.ts";
import { asFabricError, encodeError } from "../../wire-error.ts";
import { bare } from "../views/service-items.ts";

export interface RegistrationAnswer {
  readonly revision: number;
  readonly inSync: boolean;
  /** "" when there is none. */
  readonly error: string;
}

export interface RegistrationTarget {
  readonly registry: RegistryReads;
  readonly writer: RegistryWrites;
  readonly node: string;
  readonly epoch: number;
}

/** Never rejects: an error is an answer. */
export async function handleRegistrations(
  target: RegistrationTarget,
  { body }: Registrations,
): Promise<RegistrationAnswer> {
  const { registry } = target;
  try {
    switch (body.case) {
      case "probe": {
        const held = { services: servicesOf(target), checks: checksOf(target) };
        return { revision: registry.index, inSync: registrationDigest(held) === body.value, error: "" };
      }
      case "full":
        return { ...(await write(target, true, body.value)), inSync: true, error: "" };
      case "delta":
        return { ...(await write(target, false, body.value)), inSync: true, error: "" };
      case undefined:
        throw malformed("it has no body");
      default:
        return body satisfies never;
    }
  } catch (error) {
    return { revision: 0, inSync: false, error: encodeError(asFabricError(error)) };
  }
}

async function write(
  target: RegistrationTarget,
  full: boolean,
  set: RegistrationSet,
): Promise<{ revision: number }> {
  const sync: NodeSync = {
    full,
    services: set.services.map((json) => ({
      ...parse<ServiceRecord>(json, ["id", "name"]),
      node: target.node,
    })),
    checks: set.checks.map((json) => ({
      ...parse<CheckRecord>(json, ["id", "name", "status"]),
      node: target.node,
    })),
    removedServices: set.removedServices,
    removedChecks: set.removedChecks,
  };
  const { revision } = await target.writer.syncNode(target.node, target.epoch, sync);
  return { revision };
}

function servicesOf({ registry, node }: RegistrationTarget): ServiceRecord[] {
  return registry.servicesOfNode(node).map(bare);
}

function checksOf({ registry, node }: RegistrationTarget): CheckRecord[] {
  return registry
    .checksOfNode(node)
    .filter((check) => check.id !== livenessCheckId)
    .map(bare);
}

/** The rest of a record's shape is the registry's to judge when it reads. */
function parse<Record extends object>(json: string, texts: readonly (keyof Record & string)[]): Record {
  let record: Partial<Record> | null;
  try {
    record = JSON.parse(json) as Partial<Record> | null;
  } catch (cause) {
    throw malformed("a record is not JSON", cause);
  }
  if (typeof record !== "object" || record === null || texts.some((key) => typeof record[key] !== "string")) {
    throw malformed(`a record lacks ${texts.join(" or ")}`);
  }
  return record as Record;
}

function malformed(reason: string, cause?: unknown): FabricError {
  return new FabricError(
    "CONTROL_PROTOCOL",
    `sync registrations: ${reason}; bring agent and server to the same release`,
    {
      cause,
    },
  );
}
