/** How TLS says that nobody who is believed signed a certificate; everything else that may be wrong with one is not this. */

/** X509_STORE_CTX_get_error(3), as node:tls names them. */
const codes: readonly string[] = [
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_SIGNATURE_FAILURE",
];

/** `error`: thrown by a handshake. */
export function isUnknownAuthority(error: unknown): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
