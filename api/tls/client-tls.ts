/** The client's end of HTTPS. TLS is loaded where it is used: a command at a socket needs none. */
import { isIP } from "node:net";
import type { Duplex } from "node:stream";

/** All PEM; what is absent is as Node has it: roots of the system, the address as name. */
export interface ClientTls {
  readonly authority?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name that the certificate must have, and that is asked for (RFC 6066 section 3). */
  readonly serverName?: string;
  /** False: any certificate will do. */
  readonly verify?: boolean;
}

export async function tlsConnector(
  where: { readonly host: string; readonly port: number },
  { authority, cert, key, serverName, verify = true }: ClientTls,
): Promise<() => Duplex> {
  const { connect } = await import("node:tls");
  // An address is no name to ask for.
  const name = serverName ?? (isIP(where.host) === 0 ? where.host : undefined);
  return () =>
    connect({
      ...where,
      ALPNProtocols: ["http/1.1"],
      rejectUnauthorized: verify,
      ...(name !== undefined && { servername: name }),
      ...(authority !== undefined && { ca: authority }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    });
}

/** Of OpenSSL's verification (x509_vfy), of its library, and of Node's check of the name. */
export function isTlsFailure(errno: string): boolean {
  return /^(?:ERR_(?:TLS|SSL|OSSL)|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|EPROTO)/.test(errno);
}
