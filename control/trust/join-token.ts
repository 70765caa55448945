/**
 * What an operator carries from a server to a new node: `heddle1.<id>.<secret>.<fingerprint>`. The secret lets the
 * node in; the fingerprint is of the authority's key, so that the node knows its servers before it trusts anybody.
 * The store has the secret's SHA-256 only: 256 random bits need no slow hash.
 */
import { createHash, randomBytes, timingSafeEqual, X509Certificate } from "node:crypto";
import { FabricError } from "../../errors/index.ts";

export interface JoinToken {
  readonly id: string;
  readonly secret: string;
  /** See `fingerprintOf`. */
  readonly fingerprint: string;
}

const version = "heddle1";
const form = /^heddle1\.([0-9a-f]{12})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/;

export function createToken(fingerprint: string): JoinToken {
  return {
    id: randomBytes(6).toString("hex"),
    secret: randomBytes(32).toString("base64url"),
    fingerprint,
  };
}

export function printToken({ id, secret, fingerprint }: JoinToken): string {
  return [version, id, secret, fingerprint].join(".");
}

/** @throws CONTROL_TOKEN_INVALID; the message does not repeat what may be a secret */
export function parseToken(text: string): JoinToken {
  const [, id, secret, fingerprint] = form.exec(text.trim()) ?? [];
  if (id === undefined || secret === undefined || fingerprint === undefined) {
    throw new FabricError(
      "CONTROL_TOKEN_INVALID",
      "read join token: it is not of the form heddle1.ID.SECRET.FINGERPRINT; copy it whole from `heddle token create`",
    );
  }
  return { id, secret, fingerprint };
}

export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

export function isSecret(secret: string, hash: string): boolean {
  const [a, b] = [Buffer.from(hashSecret(secret)), Buffer.from(hash)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Of a certificate in PEM or DER: SHA-256 of the public key (SubjectPublicKeyInfo), base64url: what a join token says of the authority. */
export function fingerprintOf(certificate: string | Uint8Array): string {
  const { publicKey } = new X509Certificate(certificate);
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url");
}
