/**
 * Operations on links that take more than one request. A link is made first and finished (alias, peer up)
 * only when that worked: a refused creation (EEXIST) must never mark somebody else's link of the same name.
 * A link that could not be finished is taken away again: without its alias nobody would know it as ours.
 */

import { describeOperation } from "../describe-operation.ts";
import type { Link } from "../kernel.ts";
import { withNetns } from "../libc/index.ts";
import type { KernelOperation, LinkRef, VethEnd } from "../operation.ts";
import { refusal, refusedErrno } from "../refusal.ts";
import { flag, messageType } from "./constants.ts";
import { readLink, writeLinkChange, writeLinkHeader, writeLinkQuery, writeLinkSpec } from "./link-codec.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";

export interface LinkContext {
  readonly socket: NetlinkSocket;
  /** Makes a socket in the namespace of the descriptor. */
  openSocket(netnsFd: number): NetlinkSocket;
}

type Create = Extract<KernelOperation, { readonly op: "link.create" }>;
type Change = Extract<KernelOperation, { readonly op: "link.change" }>;

/** One link by name. @throws KERNEL_REFUSED */
export function seekLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    const what = `ip link show ${name}`;
    const answer = socket.ask(what, messageType.getLink, (writer) => writeLinkQuery(writer, name));
    return answer && readLink(answer.body);
  } catch (error) {
    const errno = refusedErrno(error);
    if (errno === "ENODEV" || errno === "ERANGE" || errno === "EINVAL") return undefined;
    throw error;
  }
}

export function seekIndex(socket: NetlinkSocket, name: string): number | undefined {
  return seekLink(socket, name)?.index;
}

/** @throws KERNEL_REFUSED, KERNEL_NO_NETNS */
export function createLink(context: LinkContext, operation: Create): void {
  const spec = operation.link;
  const netns = spec.kind === "veth" ? spec.peer.netns : undefined;
  if (netns === undefined) create(context, operation);
  else withNetns(netns, (fd) => create(context, operation, fd));
}

function create(context: LinkContext, operation: Create, peerNetnsFd?: number): void {
  const { socket } = context;
  const { link } = operation;
  const flags = flag.create | flag.exclusive;
  request(socket, operation, messageType.newLink, flags, () =>
    writeLinkSpec(socket.writer, link, peerNetnsFd),
  );
  try {
    if (link.alias !== undefined) finish(socket, operation, { name: link.name, alias: link.alias });
    if (link.kind === "veth") finishPeer(context, operation, link.peer, peerNetnsFd);
  } catch (error) {
    const index = seekIndex(socket, link.name);
    if (index === undefined) throw error;
    request(socket, operation, messageType.deleteLink, 0, () => writeLinkHeader(socket.writer, index));
    throw error;
  }
}

function finishPeer(context: LinkContext, operation: Create, peer: VethEnd, netnsFd?: number): void {
  if (peer.alias === undefined && !peer.up) return;
  const socket = netnsFd === undefined ? context.socket : context.openSocket(netnsFd);
  try {
    finish(socket, operation, peer);
  } finally {
    if (socket !== context.socket) socket.close();
  }
}

/** The fields that Linux does not take at birth: the alias of any link, and a veth peer's up. */
function finish(socket: NetlinkSocket, operation: Create, { name, alias, up }: VethEnd): void {
  const change = { ...(alias === undefined ? {} : { alias }), ...(up ? { up } : {}) };
  request(socket, operation, messageType.setLink, 0, () => writeLinkChange(socket.writer, name, change));
}

/** @throws KERNEL_REFUSED, KERNEL_NO_NETNS */
export function changeLink({ socket }: LinkContext, operation: Change): void {
  const { masterIndex: master, netns, ...fields } = operation.change;
  const indexOf = (ref: LinkRef): number => {
    const index = typeof ref === "number" ? ref : seekIndex(socket, ref);
    if (index === undefined) throw refusal(describeOperation(operation), "ENODEV");
    return index;
  };
  const index = indexOf(operation.link);
  const change = { ...fields, ...(master === undefined ? {} : { masterIndex: indexOf(master) }) };
  const send = (netnsFd?: number) =>
    request(socket, operation, messageType.setLink, 0, () =>
      writeLinkChange(socket.writer, index, netnsFd === undefined ? change : { ...change, netnsFd }),
    );
  if (netns === undefined) send();
  else withNetns(netns, send);
}

function request(
  socket: NetlinkSocket,
  operation: KernelOperation,
  type: number,
  flags: number,
  write: () => void,
): void {
  const sequence = socket.nextSequence();
  socket.writer.reset();
  socket.writer.begin(type, flag.request | flags, sequence);
  write();
  socket.writer.end();
  const what = describeOperation(operation);
  const failure = socket.sendBatch(what, sequence).get(sequence);
  if (failure) throw refusal(what, failure.errno, failure.sentence);
}
