/** Reads a hello. What an agent says of its node ends up in the catalog and in other nodes' kernels, so nothing is taken on trust. */
import { isHostLabel, parseFqdn, parseIp, parseMac } from "../../../addr/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { NodeRecord } from "../../../registry/index.ts";
import type { AgentIdentity } from "../../agent-identity.ts";
import { protocolVersion } from "../../control-service.ts";
import type { Hello } from "../../proto/gen/fabric_pb.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const textMax = 512;
const metaEntriesMax = 64;

/** @throws CONTROL_PROTOCOL, CONTROL_INVALID_NODE */
export function readHello(hello: Hello): AgentIdentity {
  if (hello.protocol !== protocolVersion) {
    throw new FabricError(
      "CONTROL_PROTOCOL",
      `join node: the agent speaks protocol ${hello.protocol}, this server ${protocolVersion}; bring both to the same release`,
      { details: { agent: hello.protocol, server: protocolVersion } },
    );
  }
  const name = readNodeName(hello.node);
  if (!uuid.test(hello.id)) refuse(name, "its id is not a UUID");
  if (hello.version.length > textMax || hello.zone.length > textMax)
    refuse(name, "its version or zone is too long");
  if (hello.vxlanPort < 1 || hello.vxlanPort > 65_535) refuse(name, "its VXLAN port is not within 1-65535");
  if (hello.underlay.length < 1 || hello.underlay.length > 2)
    refuse(name, "it has not one or two underlay addresses");
  try {
    return {
      name,
      id: hello.id.toLowerCase(),
      version: hello.version,
      address: parseIp(hello.address),
      zone: hello.zone,
      underlay: hello.underlay.map((text) => parseIp(text)),
      vtepMac: parseMac(hello.vtepMac),
      vxlanPort: hello.vxlanPort,
      meta: readTexts(name, hello.meta),
      taggedAddresses: readTexts(name, hello.taggedAddresses),
    };
  } catch (error) {
    if (error instanceof FabricError && error.code !== "CONTROL_INVALID_NODE") refuse(name, error.message);
    throw error;
  }
}

export function nodeRecordOf(agent: AgentIdentity, datacenter: string, epoch: number): NodeRecord {
  const { name, id, address, meta, taggedAddresses, zone, underlay, vtepMac, vxlanPort } = agent;
  const fabric = { zone, underlay, vtepMac, vxlanPort, epoch };
  return { name, id, address, datacenter, meta, taggedAddresses, fabric };
}

/** @throws CONTROL_INVALID_NODE */
export function readNodeName(name: string): string {
  if (!isNodeName(name)) refuse(name, "its name is not a host name");
  return name;
}

function isNodeName(name: string): boolean {
  try {
    parseFqdn(name);
  } catch {
    return false;
  }
  return name !== "" && name.split(".").every((label) => isHostLabel(label));
}

function readTexts(node: string, texts: Record<string, string>): Record<string, string> {
  const entries = Object.entries(texts);
  if (entries.length > metaEntriesMax) refuse(node, `it has more than ${metaEntriesMax} meta entries`);
  for (const [key, value] of entries) {
    if (key.length > textMax || value.length > textMax)
      refuse(node, `meta "${key.slice(0, 60)}" is too long`);
  }
  return Object.fromEntries(entries);
}

function refuse(name: string, reason: string): never {
  const shown = name.slice(0, 80);
  throw new FabricError(
    "CONTROL_INVALID_NODE",
    `join node ${JSON.stringify(shown)}: ${reason}; correct the agent's configuration`,
    {
      details: { node: shown },
    },
  );
}
