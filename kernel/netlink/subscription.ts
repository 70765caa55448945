/**
 * Notifications of Linux on Node's own event loop. Node knows no netlink sockets, but a stream over a unix
 * socket: we make one and put the netlink socket in its place (dup3(2)) before the loop looks at it. Then
 * epoll wakes us at once, and an idle subscription costs nothing. One read is one datagram, which is all
 * whole messages. When notifications were lost the read fails with ENOBUFS: the subscription starts anew and
 * then says so; what it missed is for a dump to find.
 */
import { Socket } from "node:net";
import { systemClock } from "../../clock/index.ts";
import { isFabricError } from "../../errors/index.ts";
import { closeDescriptor, openSocket, replaceDescriptor } from "../libc/index.ts";
import { addressFamily } from "./constants.ts";
import { type NetlinkMessage, readMessages } from "./message-reader.ts";
import { openNetlinkDescriptor } from "./netlink-socket.ts";

/** What is listened to, and who is told. */
export interface NotificationSource {
  /** NETLINK_* */
  readonly protocol: number;
  /** Mask of the protocol's groups. */
  readonly groups: number;
  /** Pause before a broken subscription starts anew, so that a lasting fault does not spin. */
  readonly restartDelayMs: number;
  told(message: NetlinkMessage): void;
  /** Some were lost; from now on it listens again. */
  lost(): void;
}

const nonBlocking = 0x800;
const unixStream = 1;
/** What Linux keeps for us while the event loop is busy: some thousand link changes; beyond it they are lost. */
export const queueBytes = 1024 * 1024;

/**
 * Tells the source of changes until the signal aborts. `withinNamespace` runs its action in the namespace to
 * listen to. @throws KERNEL_REFUSED when the first subscription fails
 */
export function subscribe(
  source: NotificationSource,
  signal: AbortSignal,
  withinNamespace: <T>(action: () => T) => T,
): void {
  if (signal.aborted) return;
  const { protocol, groups } = source;
  const options = { protocol, groups, typeFlags: nonBlocking };
  const socket = openStream(withinNamespace(() => openNetlinkDescriptor(queueBytes, options)));
  const stop = () => socket.destroy();
  signal.addEventListener("abort", stop, { once: true });
  socket.on("data", (bytes: Buffer) => report(bytes, source));
  // Told of by `lost`, after the close that follows.
  socket.on("error", () => {});
  socket.on("close", () => {
    signal.removeEventListener("abort", stop);
    if (!signal.aborted) resubscribe();
  });

  function resubscribe(): void {
    systemClock.setTimer(source.restartDelayMs, () => {
      try {
        subscribe(source, signal, withinNamespace);
        source.lost();
      } catch (error) {
        if (!isFabricError(error)) throw error;
        resubscribe();
      }
    });
  }
}

function openStream(netlinkFd: number): Socket {
  try {
    const fd = openSocket(addressFamily.unix, unixStream, 0);
    const socket = new Socket({ fd, readable: true, writable: false });
    replaceDescriptor(netlinkFd, fd);
    return socket;
  } finally {
    closeDescriptor(netlinkFd);
  }
}

function report(bytes: Buffer, source: NotificationSource): void {
  try {
    for (const message of readMessages(bytes)) source.told(message);
  } catch (error) {
    if (!isFabricError(error)) throw error;
    source.lost();
  }
}
