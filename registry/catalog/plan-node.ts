/** From what a client says of a node outside of the fabric to its record: defaults and limits. Pure. */
import { createHash } from "node:crypto";
import { parseIp } from "../../addr/index.ts";
import { type AgentLimits, defaultAgentLimits } from "../agent/definition.ts";
import type { NodeRecord } from "../model.ts";
import { assertMeta, assertText, assertTextMap } from "./plan-registration.ts";

export interface NodeSpec {
  readonly name: string;
  /** "": one that is made of the name. */
  readonly id: string;
  readonly address: string;
  readonly datacenter: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly taggedAddresses: Readonly<Record<string, string>>;
}

/** @throws REGISTRY_INVALID, ADDR_INVALID_IP */
export function planNode(spec: NodeSpec, limits: AgentLimits = defaultAgentLimits): NodeRecord {
  const { name, datacenter, meta, taggedAddresses } = spec;
  const what = `register node "${name.slice(0, 64)}"`;
  assertText(what, "name", name, limits.nameBytesMax);
  if (spec.id !== "") assertText(what, "ID", spec.id, limits.idBytesMax);
  assertMeta(what, meta, limits);
  assertTextMap(what, "tagged address", taggedAddresses, limits);
  const id = spec.id || idOf(name);
  return { name, id, address: parseIp(spec.address), datacenter, meta, taggedAddresses };
}

/** Clients join on the id, so there is always one, and of one name always the same. */
function idOf(name: string): string {
  const hex = createHash("sha256").update(name.toLowerCase()).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
