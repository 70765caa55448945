/**
 * Where the server listens in plain text: `unix:PATH`, a socket that only its owner may use, or `HOST:PORT`; an address
 * beyond this machine is refused unless the operator says `insecure`. See secure-listener.ts for TLS.
 *
 * The accept queue is long, as all agents of a server that was restarted come at once. The kernel cuts it to its somaxconn.
 */
import { once } from "node:events";
import { chmod, lstat, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { isIp, isLoopback, parseIp } from "../../../addr/index.ts";
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { GrpcServer } from "../grpc/grpc-server.ts";
import type { Gate } from "./gate.ts";

const unixPrefix = "unix:";

/** True for an address that other machines can reach. */
export function isExposed(address: string): boolean {
  if (address.startsWith(unixPrefix)) return false;
  const { host } = splitHostPort(address);
  if (host.toLowerCase() === "localhost") return false;
  return !(isIp(host) && isLoopback(parseIp(host)));
}

export function isSocket(address: string): boolean {
  return address.startsWith(unixPrefix);
}

/** `HOST:PORT`, IPv6 in brackets. */
export function splitHostPort(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(address.slice(colon + 1)) };
}

/** @throws CONTROL_INSECURE */
export function assertMayListen(address: string, insecure: boolean): void {
  if (insecure || !isExposed(address)) return;
  throw new FabricError(
    "CONTROL_INSECURE",
    `listen on ${address}: other machines can reach it and the connection is plain text; leave \`insecure\` out, or use it on a network that you trust`,
    { details: { address } },
  );
}

export interface Listener {
  /** With the port that was bound. */
  readonly address: string;
  /** Accepts nobody any more, and cuts whoever is still connected after a while. */
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly grpc: GrpcServer;
  readonly clock: Clock;
  readonly acceptQueueMax: number;
  /** For connections over TCP. */
  readonly gate: Gate;
  /** Time that connections have to end by themselves when it closes. */
  readonly graceMs: number;
}

/** @throws CONTROL_LISTEN_FAILED */
export async function listen(address: string, options: ListenOptions): Promise<Listener> {
  const path = address.startsWith(unixPrefix) ? address.slice(unixPrefix.length) : undefined;
  if (path !== undefined) await removeStale(path, address);
  const umask = path === undefined ? undefined : process.umask(0o177);
  try {
    const place = path === undefined ? splitHostPort(address) : { path };
    const listener = await bind(options, place);
    if (path !== undefined) await chmod(path, 0o600);
    const bound =
      path === undefined ? `${address.slice(0, address.lastIndexOf(":"))}:${listener.port}` : address;
    return { address: bound, close: listener.close };
  } catch (cause) {
    throw listenFailed(address, cause instanceof Error ? cause.message : String(cause), cause);
  } finally {
    if (umask !== undefined) process.umask(umask);
  }
}

type Place = { readonly path: string } | { readonly host: string; readonly port: number };

async function bind({ grpc, clock, acceptQueueMax, gate, graceMs }: ListenOptions, place: Place) {
  const sockets = new Set<Socket>();
  const isTcp = "port" in place;
  const server = createServer({ noDelay: true, pauseOnConnect: isTcp }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    const enter = () => grpc.connect(socket);
    if (isTcp) gate.arrive(socket, enter);
    else enter();
  });
  await once(server.listen({ ...place, backlog: acceptQueueMax }), "listening");
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const timer = clock.setTimer(graceMs, () => {
      for (const socket of sockets) socket.destroy();
    });
    await closed;
    timer.cancel();
  };
  return { port: (server.address() as AddressInfo).port, close };
}

/** A socket that a killed server left behind is removed; one that somebody listens on is not ours to take. */
async function removeStale(path: string, address: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return;
  if (!found.isSocket()) throw listenFailed(address, "the path is there and is no socket");
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
  if (answers) throw listenFailed(address, "another process listens on it");
  await rm(path, { force: true });
}

function listenFailed(address: string, reason: string, cause?: unknown): FabricError {
  return new FabricError(
    "CONTROL_LISTEN_FAILED",
    `listen on ${address}: ${reason}; choose another address or stop what uses it`,
    {
      cause,
      details: { address },
    },
  );
}
