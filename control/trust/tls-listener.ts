/**
 * Where nodes connect from other machines: TLS 1.3 of the fabric's own authority, in front of the gRPC servers.
 *
 * Always holds: a peer that shows a good certificate of a node reaches the control service and nothing else; a peer
 * without a certificate reaches only the service that takes join tokens; a certificate that is expired, revoked,
 * of another authority or of a server is turned away. A connection lasts no longer than its certificate.
 *
 * The server's own certificate lives in memory and is renewed at half its life, and when the authority changes.
 */
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { createKeyPair } from "./authority.ts";
import { fingerprintOf } from "./join-token.ts";
import { identityOf, type PeerIdentity } from "./peer-identity.ts";
import type { Revocations } from "./revocations.ts";

/** Takes connections over, with what they showed. */
export interface ConnectionSink {
  connect(
    connection: TLSSocket,
    certified?: { readonly identity: PeerIdentity; fingerprint(): string },
  ): void;
}

/** Where connections wait, unread, until a handshake with them may begin. */
export interface ConnectionGate {
  arrive(socket: Socket, enter: (socket: Socket) => void): void;
}

export interface TlsListenerOptions {
  readonly host: string;
  readonly port: number;
  /** A certificate of the server for the request (PKCS#10, PEM), and what it and nodes are judged by. @throws why there is none now */
  readonly certify: (request: string) => Promise<ServerCertificate>;
  readonly revocations: Pick<Revocations, "isGood">;
  /** The control service, for nodes. */
  readonly nodes: ConnectionSink;
  /** The service that takes join tokens, for strangers. */
  readonly strangers: ConnectionSink;
  readonly gate: ConnectionGate;
  readonly clock: Clock;
  readonly limits?: Partial<TlsListenerLimits>;
  readonly onRefused?: (address: string, why: string) => void;
  /** It could not be certified; it is tried again, and what is there is used meanwhile. */
  readonly onUncertified?: (error: unknown) => void;
}

export interface ServerCertificate {
  /** PEM. */
  readonly chain: string;
  /** PEM, of all that certificates of nodes may be signed by. */
  readonly authority: string;
  readonly fabric: string;
  /** Connections of an earlier one are ended: what they showed is not good any more. */
  readonly resets: number;
}

export interface TlsListenerLimits {
  readonly connectionsMax: number;
  /** Connections that wait to be accepted, as all agents do after a restart; the kernel cuts it to its somaxconn. */
  readonly acceptQueueMax: number;
  /** Connections without a certificate. */
  readonly strangersMax: number;
  readonly strangerMs: number;
  readonly handshakeMs: number;
  readonly serverCertificateMs: number;
}

export const tlsListenerLimits: TlsListenerLimits = {
  connectionsMax: 20_500,
  acceptQueueMax: 4096,
  strangersMax: 64,
  strangerMs: 15_000,
  handshakeMs: 10_000,
  serverCertificateMs: 24 * 3600_000,
};

const renewRetryMs = 10_000;
/** Longest delay that timers know. */
const timerMaxMs = 2 ** 31 - 1;

export class TlsListener {
  readonly #options: TlsListenerOptions;
  readonly #limits: TlsListenerLimits;
  readonly #tcp: TcpServer;
  readonly #tls: Server;
  readonly #byNode = new Map<string, Set<TLSSocket>>();
  readonly #sockets = new Set<Socket>();
  #strangers = 0;
  #renewal: Timer | undefined;
  #certificate: Pick<ServerCertificate, "fabric" | "resets"> | undefined;
  #closed = false;

  /** Until it can be certified it holds the port, and each handshake fails. @throws CONTROL_LISTEN_FAILED */
  static async listen(options: TlsListenerOptions): Promise<TlsListener> {
    const listener = new TlsListener(options);
    await listener.renew();
    const { host, port } = options;
    await new Promise<void>((resolve, reject) => {
      listener.#tcp.once("error", (cause) => reject(listenFailed(`${host}:${port}`, cause)));
      const { acceptQueueMax: backlog } = listener.#limits;
      listener.#tcp.listen({ port, host, backlog }, resolve);
    });
    return listener;
  }

  private constructor(options: TlsListenerOptions) {
    const limits = { ...tlsListenerLimits, ...options.limits };
    this.#options = options;
    this.#limits = limits;
    this.#tls = createServer({
      minVersion: "TLSv1.3",
      ALPNProtocols: ["h2"],
      requestCert: true,
      // Strangers with a token have none yet; what is shown is judged below.
      rejectUnauthorized: false,
      handshakeTimeout: limits.handshakeMs,
    });
    this.#tcp = createTcpServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.#arrive(socket));
    this.#tcp.maxConnections = limits.connectionsMax;
    this.#tls.on("secureConnection", (socket) => this.#accept(socket));
    this.#tls.on("tlsClientError", (error, socket) => this.#refuse(socket, whyOf(error)));
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  /** Ends the connections of a node whose certificates are not good any more. */
  drop(node: string): void {
    for (const socket of this.#byNode.get(node) ?? []) this.#refuse(socket, `node ${node} was revoked`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#renewal?.cancel();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
  }

  #arrive(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    this.#options.gate.arrive(socket, () => this.#tls.emit("connection", socket));
  }

  #accept(socket: TLSSocket): void {
    socket.on("error", () => socket.destroy());
    const why = this.#admit(socket);
    if (why !== undefined) this.#refuse(socket, why);
  }

  /** Hands the connection over, or says why not. */
  #admit(socket: TLSSocket): string | undefined {
    if (socket.alpnProtocol !== "h2") return "it does not speak HTTP/2";
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return this.#admitStranger(socket);
    const identity = socket.authorized ? identityOf(certificate) : undefined;
    const { revocations, nodes } = this.#options;
    if (identity?.kind !== "node" || identity.fabric !== this.#certificate?.fabric)
      return `its certificate is not of a node of this fabric (${socket.authorizationError})`;
    if (!revocations.isGood(identity.name, identity.generation)) return `node ${identity.name} was revoked`;
    this.#track(identity.name, socket, Date.parse(certificate.validTo));
    nodes.connect(socket, { identity, fingerprint: () => fingerprintOf(certificate.raw) });
    return undefined;
  }

  #admitStranger(socket: TLSSocket): string | undefined {
    if (this.#strangers >= this.#limits.strangersMax) return "too many are being let in";
    this.#strangers += 1;
    const timer = this.#options.clock.setTimer(this.#limits.strangerMs, () => socket.destroy());
    socket.once("close", () => {
      this.#strangers -= 1;
      timer.cancel();
    });
    this.#options.strangers.connect(socket);
    return undefined;
  }

  #track(node: string, socket: TLSSocket, untilMs: number): void {
    const { clock } = this.#options;
    const sockets = this.#byNode.get(node) ?? new Set();
    this.#byNode.set(node, sockets);
    sockets.add(socket);
    const end = () => void socket.destroy();
    const timer = clock.setTimer(Math.min(Math.max(0, untilMs - clock.wallMs()), timerMaxMs), end);
    socket.once("close", () => {
      timer.cancel();
      sockets.delete(socket);
      if (sockets.size === 0) this.#byNode.delete(node);
    });
  }

  #refuse(socket: Socket, why: string): void {
    this.#options.onRefused?.(socket.remoteAddress ?? "unknown", why);
    socket.destroy();
  }

  /** Another certificate now, and other authorities if there are: connections that are there stay. */
  async renew(): Promise<void> {
    const { certify, clock, onUncertified } = this.#options;
    this.#renewal?.cancel();
    let againMs = this.#limits.serverCertificateMs / 2;
    try {
      const { key, request } = await createKeyPair();
      const { chain, authority, fabric, resets } = await certify(request);
      if (this.#closed) return;
      this.#tls.setSecureContext({ key, cert: chain, ca: authority, minVersion: "TLSv1.3" });
      if (this.#certificate && this.#certificate.resets !== resets)
        for (const socket of this.#sockets) this.#refuse(socket, "the fabric has another authority");
      this.#certificate = { fabric, resets };
    } catch (error) {
      if (this.#closed) return;
      onUncertified?.(error);
      againMs = Math.min(againMs, renewRetryMs);
    }
    this.#renewal?.cancel();
    this.#renewal = clock.setTimer(againMs, () => void this.renew());
  }
}

/** A node that does not believe the server leaves, and can say why in its own log only. */
function whyOf(error: Error): string {
  const hasLeft = "code" in error && error.code === "ECONNRESET";
  return hasLeft
    ? "it left the handshake: a node that does not know the authority says so in its log"
    : error.message;
}

function listenFailed(address: string, cause: Error): FabricError {
  return new FabricError(
    "CONTROL_LISTEN_FAILED",
    `listen on ${address}: ${cause.message}; choose another address or stop what uses it`,
    { cause, details: { address } },
  );
}
