/** What an HTTPS listener shows its clients, and who says so. The daemon plugs in files or the fabric's authority. */

/** All PEM. */
export interface ServingCertificate {
  /** The listener's certificate, then those between it and the root. */
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate that one of these signed; absent: none is asked for. */
  readonly clientAuthority?: string;
}

export interface CertificateSource {
  /**
   * Calls `apply` with the certificate that there is now, before it returns, if there is one; and with each later one.
   * Answers how to stop that.
   */
  follow(apply: (certificate: ServingCertificate) => void): () => void;
}
