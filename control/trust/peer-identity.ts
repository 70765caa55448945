/**
 * Who is at the other end of a connection, by its certificate: one URI in the form of SPIFFE,
 * `spiffe://<fabric>/node/<name>/<generation>` or `spiffe://<fabric>/server/<name>`.
 *
 * A node's generation rises when it is revoked: certificates of an earlier one are refused, whatever any clock says.
 * (SPIFFE-ID.md and X509-SVID.md of the SPIFFE project: one URI SAN, no query, no fragment.)
 */
import type { X509Certificate } from "node:crypto";

export type PeerIdentity =
  | { readonly kind: "node"; readonly fabric: string; readonly name: string; readonly generation: number }
  | { readonly kind: "server"; readonly fabric: string; readonly name: string };

const form = /^spiffe:\/\/([a-z0-9-]{1,64})\/(?:node\/([^/?#]{1,255})\/(\d{1,9})|server\/([^/?#]{1,255}))$/;
const uriName = /^URI:(.*)$/;

export function printIdentity(identity: PeerIdentity): string {
  const { kind, fabric, name } = identity;
  const path = `spiffe://${fabric}/${kind}/${encodeURIComponent(name)}`;
  return identity.kind === "node" ? `${path}/${identity.generation}` : path;
}

/** Undefined for what is not an identity of a fabric. */
export function parseIdentity(uri: string): PeerIdentity | undefined {
  const [, fabric, node, generation, server] = form.exec(uri) ?? [];
  if (fabric === undefined) return undefined;
  const name = decoded(node ?? server ?? "");
  if (name === undefined) return undefined;
  if (node === undefined) return { kind: "server", fabric, name };
  return { kind: "node", fabric, name, generation: Number(generation) };
}

/** Of a certificate that was verified. Undefined unless it names exactly one identity. */
export function identityOf(certificate: Pick<X509Certificate, "subjectAltName">): PeerIdentity | undefined {
  const names = certificate.subjectAltName?.split(", ") ?? [];
  const [uri, ...more] = names.map((name) => uriName.exec(name)?.[1]);
  return uri === undefined || more.length > 0 ? undefined : parseIdentity(uri);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
