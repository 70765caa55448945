/**
 * TLS in front of the HTTP listener: it makes the handshake and hands the connection on. Its certificate may change at
 * any time; connections that are there keep the one that they were made with, so a renewal cuts nobody.
 *
 * TLS 1.2 is the least, as Consul's default: clients of Consul are old. HTTP/1.1 is all that is spoken (RFC 7301). Until
 * there is a certificate each handshake fails, and the port is taken. When the listener closes handshakes are cut off, as
 * nothing was asked on them: a stranger who is silent holds nobody up.
 */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { CertificateSource } from "./certificate-source.ts";

export interface TlsFrontOptions {
  readonly certificate: CertificateSource;
  /** Clients are asked for a certificate, and refused without a good one. */
  readonly demandsClientCertificate: boolean;
  readonly handshakeMs: number;
  /** Told of each handshake that failed. */
  readonly onRefused?: (address: string, why: string) => void;
}

export interface TlsFront {
  readonly server: Server;
  /** Ends connections whose handshake is under way. */
  cutHandshakes(): void;
}

/** Not listening yet. It stops to follow its certificate when it is closed. */
export function createTlsFront(options: TlsFrontOptions, accept: (socket: TLSSocket) => void): TlsFront {
  const { certificate, demandsClientCertificate, handshakeMs, onRefused } = options;
  const handshakes = new Map<string, Socket>();
  const server = createServer(
    {
      allowHalfOpen: true,
      noDelay: true,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["http/1.1"],
      requestCert: demandsClientCertificate,
      rejectUnauthorized: demandsClientCertificate,
      handshakeTimeout: handshakeMs,
    },
    (socket) => {
      handshakes.delete(peerOf(socket));
      accept(socket);
    },
  );
  server.on("connection", (socket) => {
    const peer = peerOf(socket);
    handshakes.set(peer, socket);
    socket.once("close", () => handshakes.delete(peer));
  });
  server.on("tlsClientError", (error, socket) => {
    onRefused?.(socket.remoteAddress ?? "unknown", error.message);
    socket.destroy();
  });
  const stop = certificate.follow(({ cert, key, clientAuthority }) =>
    server.setSecureContext({
      cert,
      key,
      minVersion: "TLSv1.2",
      ...(clientAuthority !== undefined && { ca: clientAuthority }),
    }),
  );
  server.once("close", stop);
  return {
    server,
    cutHandshakes: () => {
      for (const socket of handshakes.values()) socket.destroy();
    },
  };
}

/** The same of a connection and of the TLS on it; no other one of this listener has it meanwhile. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
