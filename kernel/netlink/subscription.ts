/**
 * Notifications of Linux on Node's own event loop. Node knows no netlink sockets, but a stream over a unix
 * socket: we make one and put the netlink socket in its place (dup3(2)) before the loop looks at it. Then
 * epoll wakes us at once, and an idle subscription costs nothing. One read is one datagram, which is all
 * whole messages. When notifications were lost the read fails with ENOBUFS: the subscription says `overrun`
 * and starts anew; what it missed is for a dump to find.
 */
import { Socket } from "node:net";
import { systemClock } from "../../clock/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { EventFeed } from "../event-feed.ts";
import type { KernelTopic } from "../kernel.ts";
import { closeDescriptor, openSocket, replaceDescriptor } from "../libc/index.ts";
import { addressFamily, messageType } from "./constants.ts";
import { readMessages } from "./message-reader.ts";
import { openNetlinkDescriptor } from "./netlink-socket.ts";

/** Bits of RTNLGRP_* by topic; neighbours and forwarding rows are one group. */
const groupsOf: Readonly<Record<KernelTopic, number>> = {
  link: groupBit(1),
  neighbour: groupBit(3),
  address: groupBit(5) | groupBit(9),
  route: groupBit(7) | groupBit(11),
  rule: groupBit(8) | groupBit(19),
};

const topicOfType = new Map<number, KernelTopic>([
  [messageType.newLink, "link"],
  [messageType.deleteLink, "link"],
  [messageType.newAddress, "address"],
  [messageType.deleteAddress, "address"],
  [messageType.newRoute, "route"],
  [messageType.deleteRoute, "route"],
  [messageType.newNeighbour, "neighbour"],
  [messageType.deleteNeighbour, "neighbour"],
  [messageType.newRule, "rule"],
  [messageType.deleteRule, "rule"],
]);

const nonBlocking = 0x800;
const unixStream = 1;
/** What Linux keeps for us while the event loop is busy: some thousand link changes; beyond it, `overrun`. */
export const queueBytes = 1024 * 1024;
/** Pause before a broken subscription starts anew, so that a lasting fault does not spin. */
export const resubscribeDelayMs = 20;

/**
 * Feeds changes until the signal aborts. `withinNamespace` runs its action in the namespace to listen to.
 * @throws KERNEL_REFUSED when the first subscription fails
 */
export function subscribe(
  topics: readonly KernelTopic[],
  feed: EventFeed,
  signal: AbortSignal,
  withinNamespace: <T>(action: () => T) => T,
): void {
  if (signal.aborted) return;
  const groups = topics.reduce((mask, topic) => mask | groupsOf[topic], 0);
  const socket = openStream(withinNamespace(() => openNetlinkDescriptor(queueBytes, groups, nonBlocking)));
  const stop = () => socket.destroy();
  signal.addEventListener("abort", stop, { once: true });
  socket.on("data", (bytes: Buffer) => report(bytes, feed));
  socket.on("error", () => feed.overrun());
  socket.on("close", () => {
    signal.removeEventListener("abort", stop);
    if (!signal.aborted) resubscribe();
  });

  function resubscribe(): void {
    systemClock.setTimer(resubscribeDelayMs, () => {
      try {
        subscribe(topics, feed, signal, withinNamespace);
        feed.overrun();
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

function report(bytes: Buffer, feed: EventFeed): void {
  try {
    for (const { type } of readMessages(bytes)) {
      const topic = topicOfType.get(type);
      if (topic !== undefined) feed.change(topic);
    }
  } catch (error) {
    if (!isFabricError(error)) throw error;
    feed.overrun();
  }
}

function groupBit(group: number): number {
  return 1 << (group - 1);
}
