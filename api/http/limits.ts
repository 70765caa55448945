/** What a stranger can hold of the HTTP listener. */
export interface HttpLimits {
  readonly connectionsMax: number;
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  /** Sent ahead while a request is answered; then the connection is not read until it is. */
  readonly aheadBytesMax: number;
  /** Of TLS. */
  readonly handshakeMs: number;
  /** From the first byte of a connection or request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** To the end of the request's body; answers may take longer (long polls). */
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
  /** An answer of which the client takes nothing for so long is cut. */
  readonly streamStallMs: number;
  /** After the last answer of a connection: so much of what its client still sends is read and dropped, for so long. */
  readonly drainBytesMax: number;
  readonly drainMs: number;
  /** How long requests under way may take to finish on close. */
  readonly closeGraceMs: number;
}

export const defaultHttpLimits: HttpLimits = {
  connectionsMax: 20_000,
  bodyBytesMax: 1024 * 1024,
  headerBytesMax: 16 * 1024,
  aheadBytesMax: 64 * 1024,
  handshakeMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  keepAliveMs: 120_000,
  streamStallMs: 60_000,
  drainBytesMax: 16 * 1024 * 1024,
  drainMs: 10_000,
  closeGraceMs: 3000,
};
