/**
 * The events of a socket, told to its connection by functions that all sockets share: four closures of its own would
 * weigh twice what the connection does.
 */
import type { Duplex } from "node:stream";

export type HttpSocket = Duplex & { readonly remoteAddress?: string | undefined };

export interface SocketEvents {
  received(bytes: Buffer): void;
  /** The client sends no more. */
  ended(): void;
  /** The socket is gone. */
  closed(): void;
}

const owner = Symbol("connection");
type OwnedSocket = HttpSocket & { [owner]: SocketEvents };

export function tellEvents(socket: HttpSocket, connection: SocketEvents): void {
  (socket as OwnedSocket)[owner] = connection;
  socket.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onError);
}

function onData(this: OwnedSocket, bytes: Buffer): void {
  this[owner].received(bytes);
}

function onEnd(this: OwnedSocket): void {
  this[owner].ended();
}

function onClose(this: OwnedSocket): void {
  this[owner].closed();
}

/** Behind it comes `close`, which says all there is to say. */
function onError(this: OwnedSocket): void {
  this.destroy();
}
