/**
 * Signing requests (PKCS#10, RFC 2986): the public key of who asks, and the proof that it has the private one. Nothing else of
 * them is looked at.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { FabricError } from "../../../errors/index.ts";
import { commonName, ecdsaWithSha256, signed, spkiOf, toPem } from "./certificate.ts";
import { context, integer, readAll, readBits, readOnly, sequence, tags } from "./der.ts";

const label = "CERTIFICATE REQUEST";
const form = new RegExp(`^\\s*-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----\\s*$`);
/** As OpenSSL calls P-256. */
const curve = "prime256v1";

/** PEM. */
export function createSigningRequest(publicKey: KeyObject, key: KeyObject): string {
  const body = sequence(
    integer(Buffer.of(0)),
    commonName("heddle"),
    spkiOf(publicKey),
    context(0, new Uint8Array(), true),
  );
  return toPem(signed(body, key), label);
}

/** The public key, after the request proved that its sender has the private one. @throws CONTROL_REQUEST_INVALID */
export function readSigningRequest(text: string): KeyObject {
  const [, base64] = form.exec(text) ?? [];
  if (base64 === undefined) throw invalid("it is not a PKCS#10 request in PEM");
  const [body, algorithm, signature] = readOnly(Buffer.from(base64, "base64"), tags.sequence);
  if (!body || !algorithm || Buffer.compare(algorithm.whole, ecdsaWithSha256) !== 0)
    throw invalid("it is not signed by ECDSA with SHA-256");
  const [, , spki] = readAll(body.content);
  const publicKey = keyOf(spki?.whole ?? new Uint8Array());
  if (publicKey.asymmetricKeyDetails?.namedCurve !== curve)
    throw invalid("its key is not of the curve P-256");
  if (!verify("sha256", body.whole, { key: publicKey, dsaEncoding: "der" }, readBits(signature)))
    throw invalid("its signature does not fit its key");
  return publicKey;
}

function keyOf(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (cause) {
    throw invalid("it holds no public key", cause);
  }
}

function invalid(why: string, cause?: unknown): FabricError {
  return new FabricError(
    "CONTROL_REQUEST_INVALID",
    `sign a certificate: ${why}; bring agent and server to the same release`,
    { cause },
  );
}
