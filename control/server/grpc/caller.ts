/**
 * Who is at the other end of a connection, and held to it: every message that names a node must name the one that sends
 * it. One place, before any handler runs, for calls and streams alike. Callers without certificate come by the local
 * socket, which only its owner may use, or in plain text, which the operator asked for.
 */
import { FabricError } from "../../../errors/index.ts";
import type { PeerIdentity } from "../../trust/index.ts";

export interface Certified {
  readonly identity: PeerIdentity;
  /** Of the certificate that was shown, as `fingerprintOf` prints it. */
  fingerprint(): string;
}

export interface Caller {
  /** `ADDRESS:PORT`; of a socket in the file system its peers have none: `unix`. */
  readonly address: string;
  readonly certified: Certified | undefined;
}

/** @throws CONTROL_IDENTITY_REFUSED */
export function assertItself({ certified }: Caller, message: unknown): void {
  if (!certified) return;
  const named = nodeNamed(message);
  if (named === undefined) return;
  const { identity } = certified;
  const self = identity.kind === "node" ? identity.name : "";
  if (named === self) return;
  throw new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `serve node "${named}": the certificate is of node "${self}"; start the agent with the name that it joined by`,
    { details: { node: named, certificate: self } },
  );
}

/** The node that a message says it is from, itself or in its first part. */
function nodeNamed(message: unknown): string | undefined {
  const { node, kind } = message as {
    readonly node?: unknown;
    readonly kind?: { readonly value?: { readonly node?: unknown } };
  };
  const named = node ?? kind?.value?.node;
  return named === undefined ? undefined : String(named);
}
