/**
 * What a node says that it holds, to servers whose store does not know: its term, its blocks, its single addresses, and
 * the networks that those are of. Of others it says names only: the nodes after its own in the order of names, so that
 * a node which said nothing is missed by those before it, whatever the size of the fabric.
 */

import { FabricError } from "../../errors/index.ts";
import type { BlockClaim, NetworkRecord, NodeTerm, StaticClaim } from "../plan/index.ts";

/** Other nodes that a statement names. */
export const peersMax = 64;
/** A statement as JSON. */
export const statementBytesMax = 256 * 1024;

export interface Statement extends Pick<NodeTerm, "node" | "epoch" | "reclaimAfterMs"> {
  /** The store that all this was given by. */
  readonly storeId: string;
  /** The node's right to its addresses has run out: it has left the fabric, and states nothing else. */
  readonly hasLeft: boolean;
  readonly blocks: readonly BlockClaim[];
  readonly statics: readonly StaticClaim[];
  readonly networks: readonly NetworkRecord[];
  readonly peers: readonly string[];
}

/** The names after `node` in their order, from the last to the first again. */
export function peersAfter(node: string, names: Iterable<string>): readonly string[] {
  const ordered = [...new Set(names)].filter((name) => name !== node).toSorted();
  const next = ordered.findIndex((name) => name > node);
  const ring = next < 0 ? ordered : [...ordered.slice(next), ...ordered.slice(0, next)];
  return ring.slice(0, peersMax);
}

/** As large as a statement may be: networks that it holds nothing of are left to other nodes then. */
export function encodeStatement(statement: Statement): string {
  const mine = new Set([...statement.blocks, ...statement.statics].map(({ network }) => network));
  const networks = statement.networks.toSorted((a, b) => Number(mine.has(b.name)) - Number(mine.has(a.name)));
  let bytes = JSON.stringify({ ...statement, networks: [] }).length;
  const taken = networks.filter((network) => {
    bytes += JSON.stringify(network).length + 1;
    return bytes <= statementBytesMax || mine.has(network.name);
  });
  return JSON.stringify({ ...statement, networks: taken });
}

/** Everything that it claims is of the node and the term that it names. @throws IPAM_REQUEST_INVALID, IPAM_LIMIT */
export function readStatement(node: string, text: string): Statement {
  if (text.length > statementBytesMax) {
    throw new FabricError(
      "IPAM_LIMIT",
      `state what node "${node}" holds: ${text.length} bytes are more than ${statementBytesMax}; give up on the node with \`heddle recover finish --gone ${node}\``,
      { details: { limit: "statementBytesMax", value: text.length, max: statementBytesMax } },
    );
  }
  let read: Partial<Statement> | null;
  try {
    read = JSON.parse(text) as Partial<Statement> | null;
  } catch {
    read = null;
  }
  const { epoch, reclaimAfterMs, storeId, hasLeft, blocks, statics, networks, peers } = read ?? {};
  const isOwn = (claim: Partial<BlockClaim | StaticClaim> | null) =>
    claim?.node === node &&
    claim.epoch === epoch &&
    typeof claim.network === "string" &&
    isCount(claim.serial);
  const isWhole =
    read?.node === node &&
    isCount(epoch) &&
    isCount(reclaimAfterMs) &&
    typeof storeId === "string" &&
    typeof hasLeft === "boolean" &&
    Array.isArray(blocks) &&
    blocks.every(
      (claim) => isOwn(claim) && typeof claim.cidr === "string" && Array.isArray(claim.reserved),
    ) &&
    Array.isArray(statics) &&
    statics.every(
      (claim) => isOwn(claim) && typeof claim.ip === "string" && typeof claim.block === "string",
    ) &&
    Array.isArray(networks) &&
    networks.every((network) => typeof network?.name === "string" && Array.isArray(network.pools)) &&
    Array.isArray(peers) &&
    peers.every((peer) => typeof peer === "string");
  if (isWhole) return read as Statement;
  throw new FabricError(
    "IPAM_REQUEST_INVALID",
    `state what node "${node}" holds: the statement is damaged, or claims what is another node's; bring agent and servers to one release`,
    { details: { node } },
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
