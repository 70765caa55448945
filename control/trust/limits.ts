/** Bounds of trust, each with its default. Times in milliseconds. */
export interface TrustLimits {
  readonly tokensMax: number;
  readonly tokenUsesMax: number;
  readonly tokenTtlMaxMs: number;
  readonly nodeCertificateMs: number;
  /** Of a certificate for HTTPS: no revocation reaches its clients, so it is no longer than a node's own. */
  readonly servingCertificateMs: number;
  /** After the end of its certificate a node is given another for the key of it. */
  readonly returnWithinMs: number;
  /** After a rotation servers lead those who believe only the earlier authority to the present one. */
  readonly bridgeMs: number;
  /** Longest time of a rotation's step: by then every node has renewed, or its certificate has ended. */
  readonly rotationStepMs: number;
}

const dayMs = 24 * 3600_000;

export const trustLimits: TrustLimits = {
  tokensMax: 1000,
  tokenUsesMax: 10_000,
  tokenTtlMaxMs: 30 * dayMs,
  nodeCertificateMs: dayMs,
  servingCertificateMs: dayMs,
  returnWithinMs: 30 * dayMs,
  bridgeMs: 30 * dayMs,
  rotationStepMs: dayMs,
};
