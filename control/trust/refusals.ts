/** Why a node is not let in, in words that say what to do. */
import { FabricError } from "../../errors/index.ts";
import type { ReturnRefusal } from "./issued.ts";

export function revoked(node: string): FabricError {
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `talk to node "${node}": its certificate was revoked; let it in again with a token of \`heddle token create --node ${node}\``,
    { details: { node } },
  );
}

/** One text for every secret reason: a guesser learns nothing. */
export function refused(node: string, why: string): FabricError {
  return new FabricError(
    "CONTROL_TOKEN_REFUSED",
    `let node "${node}" in: ${why}; create another with \`heddle token create\``,
    { details: { node } },
  );
}

export function returnRefused(node: string, refusal: ReturnRefusal, withinMs: number): FabricError {
  if (refusal === "revoked") return revoked(node);
  const days = Math.round(withinMs / (24 * 3600_000));
  const why =
    refusal === "too late"
      ? `its certificate ended more than ${days} days ago`
      : "its certificate has ended, and the fabric does not know it by the key of that";
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `let node "${node}" come back: ${why}; start its agent with a token of \`heddle token create --node ${node}\``,
    { details: { node } },
  );
}
