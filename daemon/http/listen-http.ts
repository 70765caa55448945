/** Where a process serves its API: a socket for the commands of this host, plain TCP on loopback, TLS for everybody else. */
import { hostname } from "node:os";
import { join } from "node:path";
import { isLoopback } from "../../addr/index.ts";
import {
  type ApiHandler,
  type ApiOptions,
  createApi,
  everybody,
  guardHost,
  HttpServer,
  type TrustBackend,
} from "../../api/index.ts";
import { type HostPort, requireLoopback } from "../process/host-port.ts";
import type { ServerOptions } from "../process/options.ts";
import type { Teardown } from "../process/teardown.ts";
import { type FabricIssuer, openHttpsCertificate } from "./https-certificate.ts";

export interface ApiHandlers {
  readonly tcp: ApiHandler;
  /** For who may use this host's sockets: its owner. */
  readonly socket: ApiHandler;
}

/**
 * The socket asks for no token: who may use it has the store's file, or the node, in hand. On a server it also says who
 * may be a node. What an agent forwards is up to its server as ever.
 */
export function apiHandlers(options: ApiOptions, trust: TrustBackend | undefined): ApiHandlers {
  const { server } = options;
  const owned = { ...options, rightsOf: everybody };
  return {
    tcp: createApi(options),
    socket: createApi(server && trust ? { ...owned, server: { ...server, trust } } : owned),
  };
}

type ListenOptions = Pick<ServerOptions, "http" | "https" | "httpHosts" | "runDir" | "insecure" | "log">;

export interface ListenAs {
  /** Names that HTTP goes by, beside the host's and those of `httpHosts`. */
  readonly names: readonly string[];
  /** In `runDir`. */
  readonly socket: string;
  readonly fabric: FabricIssuer | undefined;
}

/**
 * Where it is reached from other hosts it goes by names that nobody can know here, and who reaches it is trusted anyway.
 */
export async function listenHttp(
  { tcp: handle, socket: own }: ApiHandlers,
  options: ListenOptions,
  { names, socket, fabric }: ListenAs,
  teardown: Teardown,
): Promise<void> {
  const { http, https, httpHosts, runDir, insecure, log } = options;
  requireLoopback("--http", http, insecure);
  const certificate = https && (await openHttpsCertificate(https, fabric, options, teardown));
  const local = await HttpServer.listen({
    handle: own,
    listen: { kind: "unix", path: join(runDir, socket) },
  });
  teardown.add("HTTP socket", () => local.close());
  const guarded = guardHost(handle, [hostname(), ...names, ...(httpHosts ?? [])]);
  const handlerAt = ({ ip }: HostPort) => {
    const isOpen = httpHosts === undefined ? !isLoopback(ip) : httpHosts.includes("any");
    return isOpen ? handle : guarded;
  };
  const tcp = await HttpServer.listen({
    handle: handlerAt(http),
    listen: { kind: "tcp", host: http.ip, port: http.port },
  });
  teardown.add("HTTP", () => tcp.close());
  if (!https || !certificate) return;
  const secure = await HttpServer.listen({
    handle: handlerAt(https.listen),
    listen: { kind: "tcp", host: https.listen.ip, port: https.listen.port },
    tls: {
      certificate,
      demandsClientCertificate: https.clientCaFile !== undefined,
      onRefused: (address, why) => log.debug({ address, why }, "HTTPS: a handshake failed"),
    },
  });
  teardown.add("HTTPS", () => secure.close());
}
